"""CPU time of a server for one request: `drive.py FOLDER FIGURES PYTHON NODE_FOLDER HELLO`.

One connection to each server, kept alive. The servers of a framework run side by side, warm, and are asked in turn, so that a
disturbance hits all of them alike.
"""

import socket
import subprocess
import sys
from pathlib import Path

from keywright import Keywright

sys.path.append(str(Path(__file__).parents[1] / "python"))
from timing import ROUNDS, share, write

# Requests of a round, and before the first one: just-in-time compilers settle late.
REQUESTS = {"asgi": 1_500, "fastapi": 1_500, "express": 1_500, "axum": 8_000}
WARM_UP = {"asgi": 2_000, "fastapi": 2_000, "express": 8_000, "axum": 20_000}
# Peers that wait, or write, for each request.
PEER_REQUESTS = 30
# The framework alone, a middleware that does nothing, ours, and peers.
VARIANTS = {
    "asgi": ("alone", "nothing", "keywright"),
    "fastapi": ("alone", "nothing", "keywright", "keyshield"),
    "express": ("alone", "nothing", "keywright", "better-auth"),
    "axum": ("alone", "nothing", "keywright"),
}
PEERS = ("keyshield", "better-auth")


def spent(process: int) -> float:
    """Nanoseconds of CPU that the threads of a process have used, by the scheduler's clock."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(it.read_text().split()[0]) for it in threads)


class Server:
    """A server with a hello route."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port, text = self.process.stdout.readline().split()
        lines = ("GET /hello HTTP/1.1", "host: bench", f"authorization: Bearer {text}", "user-agent: bench", "accept: */*")
        self.request = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
        self.connection = socket.create_connection(("127.0.0.1", int(port)))

    def ask(self, times: int) -> float:
        """Nanoseconds of CPU for each request."""
        before = spent(self.process.pid)
        for _ in range(times):
            self.connection.sendall(self.request)
            answer = b""
            while not answer.endswith(b'"world"}'):
                part = self.connection.recv(65_536)
                if not part:
                    raise SystemExit(f"{self.command}: has closed its connection")
                answer += part
            if b" 200 " not in answer[:20]:
                raise SystemExit(f"{self.command}: {answer[:200]!r}")
        return (spent(self.process.pid) - before) / times

    def close(self) -> None:
        self.connection.close()
        self.process.stdin.close()
        self.process.wait(10)


def measure(out: Path, framework: str, command: list[str], folder: Path) -> None:
    servers = {variant: Server([*command, framework, variant, str(folder)]) for variant in VARIANTS[framework]}
    for variant, server in servers.items():
        server.ask(share(PEER_REQUESTS if variant in PEERS else WARM_UP[framework]))
    requests = {variant: share(PEER_REQUESTS if variant in PEERS else REQUESTS[framework]) for variant in servers}
    rounds = [{variant: server.ask(requests[variant]) for variant, server in servers.items()} for _ in range(ROUNDS)]
    for variant, server in servers.items():
        server.close()
        spent = [it[variant] for it in rounds]
        write(out, framework, f"{framework}, {variant}", spent, calls=requests[variant] * ROUNDS)
        if variant != "alone":
            added = [one - it["alone"] for one, it in zip(spent, rounds, strict=True)]
            write(out, framework, f"added, {variant}", added)


def main() -> None:
    folder, out, python, node, hello = (Path(it).absolute() for it in sys.argv[1:6])
    with Keywright(f"sqlite:{folder}/keys.db", brand="bench", pepper="a pepper of the benchmark, of 32 bytes or more") as kw:
        (folder / "key.txt").write_text(kw.keys.create(name="bench", scopes="deals:read").api_key)
    here = Path(__file__).parent
    commands = {
        "asgi": [str(python), str(here / "hello.py")],
        "fastapi": [str(python), str(here / "hello.py")],
        "express": ["node", str(node / "hello.mjs")],
        "axum": [str(hello)],
    }
    for framework, command in commands.items():
        measure(out, framework, command, folder)


main()
