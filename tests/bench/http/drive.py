"""CPU time of a server for one request, without keys and with: `drive.py FOLDER PYTHON NODE_FOLDER HELLO`. Writes Markdown.

One connection that is kept alive; each variant is started several times, in turn with the others, and the median counts.
"""

import os
import socket
import statistics
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from keywright import Keywright

ROUNDS = 3
REQUESTS = {"asgi": 4_000, "fastapi": 4_000, "express": 4_000, "axum": 20_000}
# Peers that wait, or write, for each request.
PEER_REQUESTS = 100
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


def measure(command: list[str], requests: int) -> float:
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port, text = server.stdout.readline().split()
    request = f"GET /hello HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {text}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", int(port))) as connection:

        def ask(times: int) -> None:
            for _ in range(times):
                connection.sendall(request)
                answer = connection.recv(65_536)
                while not answer.endswith(b'"world"}'):
                    answer += connection.recv(65_536)
                if b" 200 " not in answer[:20]:
                    raise SystemExit(f"{command}: {answer[:200]!r}")

        ask(requests // 4)
        before = spent(server.pid)
        ask(requests)
        after = spent(server.pid)
    server.stdin.close()
    server.wait(10)
    return (after - before) / requests


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
    figures: dict[str, list[float]] = {variant: [] for variant, _ in VARIANTS}
    for _ in range(ROUNDS):
        for variant, found in figures.items():
            (folder / "better-auth.db").unlink(missing_ok=True)
            framework = variant.split()[0]
            is_peer = variant.partition(" ")[2] not in OURS
            requests = PEER_REQUESTS if is_peer else REQUESTS[framework]
            found.append(measure([*commands[framework], variant, str(folder)], requests))
    medians = {variant: statistics.median(of) for variant, of in figures.items()}
    print("# Figures of requests\n")
    print("One run of `bash tests/bench/http.sh`; release builds. CPU time of the server process for one request of a hello")
    print(f"route, by one connection that is kept alive; the median of {ROUNDS} starts, in turn. The scheme is `hmac-sha256`, the key is")
    print("in memory; keyshield has its cache and a repository in memory, better-auth a SQLite file of 1,000 keys. `nothing` is a")
    print("middleware, or a dependency, that adds as many headers and does nothing else: what is not ours of what ours adds.\n")
    print(f"- {datetime.now(timezone.utc):%Y-%m-%d}, load {os.getloadavg()[1]:.1f} over the last 5 minutes, {os.cpu_count()} cores\n")
    print("| what | CPU per request | added | at most | met | times what ours adds |\n|---|---|---|---|---|---|")
    for variant, goal in VARIANTS:
        framework, _, who = variant.partition(" ")
        added = medians[variant] - medians[framework]
        line = [variant, f"{medians[variant]:.1f} µs", f"{added:.1f} µs" if who else ""]
        line += [f"{goal} µs", "yes" if added <= goal else "**no**"] if goal else ["", ""]
        ours = medians[f"{framework} keywright"] - medians[framework]
        line.append(f"{added / ours:.1f}" if who not in OURS and ours > 0 else "")
        print("|", " | ".join(line), "|")


if __name__ == "__main__":
    main()
