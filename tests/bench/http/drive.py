"""CPU time of a server for one request, without keys and with: `drive.py FOLDER PYTHON NODE_FOLDER HELLO`. Writes Markdown.

One connection to each, kept alive. Those of a framework stand side by side, warm, and are asked in turn, so that what else the
machine does concerns all of them; the medians of the rounds count.
"""

import os
import socket
import statistics
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from keywright import Keywright

ROUNDS = 9
# Requests of a round, and before the first one: just-in-time compilers settle late.
REQUESTS = {"asgi": 3_000, "fastapi": 3_000, "express": 3_000, "axum": 20_000}
WARM_UP = {"asgi": 2_000, "fastapi": 2_000, "express": 8_000, "axum": 20_000}
# Peers that wait, or write, for each request.
PEER_REQUESTS = 60
# variant, at most so many microseconds more than its framework alone
VARIANTS = (
    ("asgi", None),
    ("asgi nothing", None),
    ("asgi keywright", 10),
    ("fastapi", None),
    ("fastapi nothing", None),
    ("fastapi keywright", 30),
    ("fastapi keyshield", None),
    ("express", None),
    ("express nothing", None),
    ("express keywright", 10),
    ("express better-auth", None),
    ("axum", None),
    ("axum keywright", 2),
)
# No peers.
OURS = ("", "nothing", "keywright")


def spent(process: int) -> float:
    """Microseconds of CPU that the threads of a process have used, by the scheduler's clock, which knows nanoseconds."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(it.read_text().split()[0]) for it in threads) / 1_000


class Server:
    """A hello route that stands until it is closed."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port, text = self.process.stdout.readline().split()
        lines = ("GET /hello HTTP/1.1", "host: bench", f"authorization: Bearer {text}", "user-agent: bench", "accept: */*")
        self.request = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
        self.connection = socket.create_connection(("127.0.0.1", int(port)))

    def ask(self, times: int) -> float:
        """Microseconds of CPU for each request."""
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


def measured(commands: dict[str, list[str]]) -> dict[str, list[float]]:
    """The rounds of all variants of a framework."""
    servers = {variant: Server(command) for variant, command in commands.items()}

    def requests(variant: str, of: dict[str, int]) -> int:
        framework, _, who = variant.partition(" ")
        return of[framework] if who in OURS else PEER_REQUESTS

    for variant, server in servers.items():
        server.ask(requests(variant, WARM_UP))
    rounds = [{variant: server.ask(requests(variant, REQUESTS)) for variant, server in servers.items()} for _ in range(ROUNDS)]
    for server in servers.values():
        server.close()
    return {variant: [it[variant] for it in rounds] for variant in servers}


def main() -> None:
    folder, python, node, hello = (Path(it).absolute() for it in sys.argv[1:5])
    with Keywright(f"sqlite:{folder}/keys.db", brand="bench", pepper="a pepper of the benchmark, of 32 bytes or more") as kw:
        (folder / "key.txt").write_text(kw.keys.create(name="bench", scopes="deals:read").api_key)
    here = Path(__file__).parent
    commands = {
        "asgi": [str(python), str(here / "hello.py")],
        "fastapi": [str(python), str(here / "hello.py")],
        "express": ["node", str(node / "hello.mjs")],
        "axum": [str(hello)],
    }
    figures: dict[str, list[float]] = {}
    for framework, command in commands.items():
        variants = [it for it, _ in VARIANTS if it.partition(" ")[0] == framework]
        figures |= measured({it: [*command, it, str(folder)] for it in variants})
    medians = {variant: statistics.median(of) for variant, of in figures.items()}

    def added(variant: str) -> float:
        bare = figures[variant.partition(" ")[0]]
        return statistics.median(one - other for one, other in zip(figures[variant], bare, strict=True))

    print("# Figures of requests\n")
    print("One run of `bash tests/bench/http.sh`; release builds. CPU time of the server process for one request of a hello")
    print(f"route, warm, by one connection that is kept alive; the medians of {ROUNDS} rounds in turn. The scheme is `hmac-sha256`,")
    print("the key is in memory; keyshield has its cache and a repository in memory, better-auth a SQLite file of 1,000 keys.")
    print("`nothing` is a middleware, or a dependency, that adds as many headers and does nothing else: what is not ours of what ours")
    print("adds.\n")
    print(f"- {datetime.now(timezone.utc):%Y-%m-%d}, load {os.getloadavg()[1]:.1f} over the last 5 minutes, {os.cpu_count()} cores\n")
    print("| what | CPU per request | added | at most | met | times what ours adds |\n|---|---|---|---|---|---|")
    for variant, goal in VARIANTS:
        framework, _, who = variant.partition(" ")
        more, ours = added(variant), added(f"{framework} keywright")
        line = [variant, f"{medians[variant]:.1f} µs", f"{more:.1f} µs" if who else ""]
        line += [f"{goal} µs", "yes" if more <= goal else "**no**"] if goal else ["", ""]
        line.append(f"{more / ours:.1f}" if who not in OURS and ours > 0 else "")
        print("|", " | ".join(line), "|")


if __name__ == "__main__":
    main()
