"""The server, its clients, an import and the start of the program: `drive.py FOLDER FIGURES PROGRAM LOAD WHEEL_FOLDER NODE_FOLDER`.

Servers run side by side and are asked in turn, so that a disturbance hits all of them alike.
"""

import hashlib
import http.client
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "python"))
from timing import ROUNDS, share, write

PEPPER = "a pepper of the benchmark, of 32 bytes or more"
KEYS = 100_000
# Rows of an import.
ROWS = 200_000
# Connections of wrk, and seconds of its runs.
CONNECTIONS, SECONDS = 16, 3
SETTINGS = f"""
url = "sqlite:keys.db"
brand = "bench"
pepper = "{PEPPER}"
[server]
listen = "127.0.0.1:0"
"""
SCRIPT = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
"""


class Served:
    """A server, and the port on which it listens."""

    def __init__(self, command: list[str], folder: Path) -> None:
        # The access log goes nowhere, but is written.
        with Path(os.devnull).open("w") as nowhere, (folder / "said").open("w") as said:
            is_route = command[1] == "route"
            self.process = subprocess.Popen(command, cwd=folder, stdout=said if is_route else nowhere, stderr=nowhere if is_route else said)
        deadline = time.monotonic() + 60
        while not (found := re.search(r"(\d+)\n", (folder / "said").read_text())):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{command}: does not listen")
            time.sleep(0.01)
        self.port = int(found[1])

    def ask(self, key: str, body: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", "/verify", json.dumps(body), {"authorization": f"Bearer {key}", "content-type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def rate(server: Served, script: Path) -> float:
    """The requests a second that wrk gets through."""
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{SECONDS}s", "--script", str(script)]
    said = subprocess.run([*command, f"http://127.0.0.1:{server.port}/verify"], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(said)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def figure(out: Path, name: str, unit: str, value: float) -> None:
    line = {"group": "Server", "name": name, "unit": unit, "rounds": [value], "p99": None, "calls": None}
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")


def measure_server(folder: Path, out: Path, program: str, load: str, wheel: Path, node: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "keywright.toml").write_text(SETTINGS)
    (home / "keywright.toml").chmod(0o600)
    create = [program, "keys", "create", "bench", "--scopes", "keys:verify", "--quiet"]
    verifier = subprocess.run(create, cwd=home, capture_output=True, text=True, check=True).stdout.strip()
    texts = subprocess.run([load, "fill", "keys.db", PEPPER, str(share(KEYS))], cwd=home, capture_output=True, text=True, check=True)
    texts = texts.stdout.split()
    ours = Served([program, "serve"], home)
    (home / "route").mkdir()
    asked = {"api_key": texts[0]}
    bare = Served([load, "route", json.dumps(ours.ask(verifier, asked))], home / "route")
    body = json.dumps(asked)
    script = folder / "verify.lua"
    script.write_text(SCRIPT.format(body=json.dumps(body), key=verifier))
    rates = [(rate(ours, script), rate(bare, script)) for _ in range(max(3, share(7)))]
    for name, of in (("keywright serve", [it[0] for it in rates]), ("a bare route", [it[1] for it in rates])):
        write(out, "Server", f"POST /verify, time per request at full rate, {name}", [1e9 / it for it in of])
        figure(out, f"requests a second, {name}", "", statistics.median(of))
    half = statistics.median(it[0] for it in rates) / 2
    spent: dict[str, list[list[int]]] = {"keywright serve": [], "a bare route": []}
    # A percentile varies from round to round by a factor of four on two cores, and so takes more of them.
    for _ in range(max(3, share(21))):
        for name, server in (("keywright serve", ours), ("a bare route", bare)):
            command = [load, "paced", str(server.port), str(half), str(SECONDS), verifier, body]
            spent[name].append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    for name, per_round in spent.items():
        every = sorted(it for of in per_round for it in of)
        write(out, "Server", f"POST /verify, at half of that rate, {name}", [statistics.median(it) for it in per_round], calls=len(every))
        p99 = [sorted(it)[len(it) * 99 // 100] for it in per_round]
        write(out, "Server", f"POST /verify, at half of that rate, 99th percentile, {name}", p99)
    bare.close()
    for at in range(0, len(texts), 100):
        answer = ours.ask(verifier, {"verifications": [{"api_key": it} for it in texts[at : at + 100]]})
        if not all(it["allowed"] for it in answer["data"]):
            raise SystemExit(f"not all keys are allowed: {answer}")
    status = Path(f"/proc/{ours.process.pid}/status").read_text()
    resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    figure(out, f"resident memory with {KEYS:,} keys in use", "MB", resident * 1024 / 1e6)
    measure_clients(out, load, wheel, node, [str(ours.port), verifier, texts[0]])
    ours.close()


def measure_clients(out: Path, load: str, wheel: Path, node: Path, asked: list[str]) -> None:
    """Each client beside the library that sends its requests, one request after the other."""
    script = Path(__file__).parents[1] / "python/requests_of_client.py"
    for command in ([wheel / "python", script], ["node", node / "client.mjs"], [load, "client"]):
        subprocess.run([*command, out, *asked], check=True)


def measure_import(folder: Path, out: Path, program: str) -> None:
    """An import as a whole run of the program, and its rows put back one by one into an empty database."""
    digest = hashlib.sha256(b"the secret of every row").hexdigest()
    count = share(ROWS)
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for number in range(count):
            row = {"name": f"key {number}", "lookup": f"{number:08}", "verifier": f"sha256${digest}", "scopes": "deals:read"}
            file.write(json.dumps(row) + "\n")
    arguments = ["--from", "generic", "--format", "old_{lookup:8}_{secret:32}", "--hashed", "secret", str(rows), "--quiet"]
    spent: list[tuple[float, float]] = []
    for turn in range(max(3, share(5))):
        home, raw = folder / f"import-{turn}", folder / f"raw-{turn}"
        for it in (home, raw):
            it.mkdir()
            (it / "keywright.toml").write_text(SETTINGS)
            (it / "keywright.toml").chmod(0o600)
            subprocess.run([program, "migrate"], cwd=it, check=True, capture_output=True)
        begun = time.perf_counter_ns()
        subprocess.run([program, "import", *arguments], cwd=home, check=True, capture_output=True)
        ours = time.perf_counter_ns() - begun
        spent.append((ours / count, raw_inserts(home / "keys.db", raw / "keys.db") / count))
    write(out, "Import", f"import of {ROWS:,} keys with SHA-256 hashes, time per key", [it[0] for it in spent])
    write(out, "Import", f"raw inserts of the rows of {ROWS:,} keys, time per key", [it[1] for it in spent])


def raw_inserts(full: Path, empty: Path) -> int:
    """Writes all rows of one database into another with the same tables, in transactions of as many keys as those of the import."""
    source = sqlite3.connect(full)
    target = sqlite3.connect(empty, isolation_level=None)
    target.execute("PRAGMA synchronous=FULL")
    tables = {}
    for table in ("orgs", "keys", "secrets", "audit"):
        found = source.execute(f"SELECT * FROM {table}")
        marks = ", ".join("?" * len(found.description))
        names = ", ".join(it[0] for it in found.description)
        tables[f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"] = found.fetchall()
    most = max(len(it) for it in tables.values())
    begun = time.perf_counter_ns()
    for at in range(0, most, 1_000):
        target.execute("BEGIN IMMEDIATE")
        for statement, rows in tables.items():
            target.executemany(statement, rows[at : at + 1_000])
        target.execute("COMMIT")
    took = time.perf_counter_ns() - begun
    if target.execute("SELECT count(*) FROM secrets").fetchone() != source.execute("SELECT count(*) FROM secrets").fetchone():
        raise SystemExit("the raw inserts have not written all rows")
    source.close()
    target.close()
    return took


def start(command: list[str]) -> float:
    begun = time.perf_counter_ns()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status = os.waitpid(process, 0)
    took = time.perf_counter_ns() - begun
    if status != 0:
        raise SystemExit(f"{command}: ended with {status}")
    return took


def measure_start(out: Path, program: str, wheel: Path, node: Path) -> None:
    commands = {
        "`true`": ["true"],
        "binary: `keywright --version`": [program, "--version"],
        "`python -c pass`": [str(wheel / "python"), "-c", "pass"],
        "wheel: `keywright --version`": [str(wheel / "keywright"), "--version"],
        "`node -e 0`": ["node", "-e", "0"],
        "npm: `keywright --version`": [str(node / "node_modules/.bin/keywright"), "--version"],
    }
    rounds = [{name: start(command) for name, command in commands.items()} for _ in range(max(3, share(ROUNDS)))]
    for name in commands:
        write(out, "Start", name, [it[name] for it in rounds], calls=len(rounds))


def main() -> None:
    folder, out = (Path(it).absolute() for it in sys.argv[1:3])
    program, load = sys.argv[3:5]
    wheel, node = (Path(it).absolute() for it in sys.argv[5:7])
    measure_server(folder, out, program, load, wheel, node)
    measure_import(folder, out, program)
    measure_start(out, program, wheel, node)


main()
