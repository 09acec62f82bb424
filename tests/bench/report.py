"""Turns the figures of one run into the text of HOT.md and so on: `report.py hot|results|http|postgres|limits|server FIGURES`."""

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One line of the programs: what one thing took, or a number that was counted once."""

    group: str
    name: str
    unit: str
    rounds: list[float]
    p99: float | None
    calls: int | None

    @property
    def value(self) -> float:
        return statistics.median(self.rounds)


Figures = dict[tuple[str, str], Figure]


@dataclass(frozen=True)
class Goal:
    """A figure that is at most so many times its reference: a sum of other figures, each with its weight.

    Without a reference the figure itself is at most that number.
    """

    group: str
    name: str
    most: float
    reference: dict[str, float]


SIPHASH = "one SipHash-2-4-128 of a text"
CLOCK = "one read of the monotonic clock"
MAP = "one papaya read"
ATOMIC = "one atomic load and compare"
CRC = "one CRC-32 of a text"
SHA256 = "one SHA-256 block by sha2"
HASHLIB = "`hashlib.sha256(text).digest()`"
CREATE_HASH = '`createHash("sha256").update(text).digest()`'
REUSED = "hot: `await kw.verify(text, READ)`"
ARGON2 = "argon2id by the argon2 crate, on all cores at once"
PEERS = ("djangorestframework-api-key", "keyshield", "better-auth", "rate-limiter-flexible", "limits")
# 15 ns where a SipHash of a text takes 30 ns.
HALF = {SIPHASH: 0.5}


RAW_SELECT = "the same SELECT by tokio-postgres"
FAST = "at 100,000 requests a second"
REVOKED = "revoke → refused in another process"
FLUSH = "usage flush of 10,000 keys"
FULL = "POST /verify, time per request at full rate"
IMPORT = "import of 200,000 keys with SHA-256 hashes"
HALF_RATE = "POST /verify, at half of that rate, 99th percentile"


def select(keys: str) -> dict[str, float]:
    return {f"the same SELECT by rusqlite, {keys}": 1}


GOALS = {
    "hot": (
        Goal("Rust", "hot, scopes and meter", 1.6, {SIPHASH: 1, CLOCK: 1, MAP: 1}),
        Goal("Rust", "one limit more", 1, {CLOCK: 1} | HALF),
        Goal("Rust", "the check for changes by other processes", 3, {ATOMIC: 1}),
        Goal("Rust", "malformed, of another length", 1, {SIPHASH: 1}),
        Goal("Rust", "malformed, a wrong checksum", 1.6, {SIPHASH: 1, MAP: 1, CRC: 1}),
        Goal("Rust", "wrong secret of a known lookup", 1.25, select("256 keys") | {SHA256: 4}),
        Goal("Rust", "hot, scopes and meter: allocations of 128 calls", 0, {}),
        Goal("Rust", "hot, scopes, meter and one limit: allocations of 128 calls", 0, {}),
        Goal("Rust", "hot: system calls of 10,000 calls", 0, {}),
        Goal("Rust", "100,000 keys in turn, memory per key", 430, {}),
        Goal("Rust", "10,000 revocations in another process: keys that were allowed after theirs", 0, {}),
        Goal("Rust", "a revocation beside 1,000 hot argon2id keys: keys that hash again", 0, {}),
        Goal("Python", 'hot: `await akw.verify(text, scopes="deals:read")`', 0.7, {HASHLIB: 1}),
        Goal("Node", REUSED, 0.5, {CREATE_HASH: 1}),
        Goal("Node", 'hot: `await kw.verify(text, { scopes: "deals:read" })`', 1.3, {REUSED: 1}),
        Goal("Node", "argon2id: each of 1,000 keys after a restart, 16 at once", 1.1, {ARGON2: 1}),
        Goal("Node", "argon2id: the longest stall of the event loop meanwhile", 0.25, {ARGON2: 1}),
    ),
    "results": (
        Goal("Rust", "verify, 1,000 keys", 1.25, select("1,000 keys")),
        Goal("Rust", "verify, 100,000 keys", 1.25, select("100,000 keys")),
        Goal("Rust", "verify, 1,000,000 keys", 1.25, select("1,000,000 keys")),
        Goal("Rust", "create", 1.3, {"rusqlite's transaction of the same rows": 1}),
        Goal("Rust", "argon2id: verify, right secret", 1.05, {"argon2id by the argon2 crate": 1}),
        Goal("Rust", "argon2id: verify, wrong secret", 1.25, select("argon2id")),
        Goal("Python", "list of 1,000", 1.2, {"list of 1,000 by the core": 1}),
        Goal("Node", "list of 1,000", 1.8, {"list of 1,000 by the core": 1}),
    ),
    "postgres": (
        Goal("Rust", "hot, PostgreSQL", 1.05, {"hot, SQLite": 1}),
        *(Goal(of, "cold verification", most, {RAW_SELECT: 1}) for of, most in (("Rust", 1.15), ("Python", 1.5), ("Node", 1.5))),
        # The rate is at least 0.75 times as high.
        Goal(
            "Rust",
            "cold verification, 64 at once on 4 connections",
            1.33,
            {f"{RAW_SELECT}, 64 at once on 4 connections": 1},
        ),
        *(Goal("Rust", f"{change}: round trips", 3, {}) for change in ("create", "revoke", "rotate")),
        Goal("Rust", "create", 1.3, {"create, raw transaction of the same statements": 1}),
        Goal("Rust", "revoke", 1.3, {"revoke, raw transaction of the same statements": 1}),
        Goal("Rust", "rotate", 1.3, {"rotate, raw transactions of the same statements": 1}),
        *(
            Goal("Rust", f"create, 64 at once, {store}", 0.2, {f"create, one after the other, {store}": 1})
            for store in ("PostgreSQL", "SQLite")
        ),
        Goal("Rust", REVOKED, 3, {"a bare NOTIFY → heard in another process": 1}),
        Goal("Rust", f"{REVOKED}: 99th percentile", 50, {}),
        Goal("Rust", "revoke → last allowed in a process that is cut off", 2_000, {}),
        Goal("Rust", FLUSH, 1.5, {"one raw INSERT … ON CONFLICT of the same rows": 1}),
        Goal("Rust", f"{FLUSH}: round trips", 1, {}),
        Goal("Rust", "hot, 99th percentile beside a flush", 1.1, {"hot, 99th percentile beside nothing": 1}),
        Goal("Rust", "statements a second of an engine that answers from memory", 2, {}),
        Goal("Rust", "statements a second of an engine that is idle", 0, {}),
    ),
    "limits": (
        Goal("Rust", "one limit more, machine", 1.3, {"one limit more, process": 1}),
        *(
            Goal("Rust", f"with one limit {where}, machine", 1.2, {f"with one limit {where}, process": 1})
            for where in ("on each of 2 threads", "in each of 4 processes")
        ),
        Goal("Rust", f"one limit more {FAST}, redis", 2, {f"one limit more {FAST}, process": 1}),
        Goal("Rust", f"{FAST}, redis: scripts a second", 20, {}),
        Goal("Rust", "a slow key, redis: scripts of a request", 1, {}),
        Goal("Rust", "a slow key, redis", 1.2, {"one raw call of the same script": 1}),
        *(
            Goal("4 programs", f"{limiter}: {count}", 0, {})
            for limiter in ("machine", "store", "redis")
            for count in ("admitted above the bound", "refused at half the rate")
        ),
        *(
            Goal("4 programs", f"quota on {store}: {count}", most, {})
            for store in ("sqlite", "postgres")
            for count, most in (("sold above the amount", 0), ("lost by a kill, as a part of the largest purchase", 1))
        ),
    ),
    "server": (
        # The rate is at least 0.8 times as high.
        Goal("Server", f"{FULL}, keywright serve", 1.25, {f"{FULL}, a bare route": 1}),
        Goal("Server", f"{HALF_RATE}, keywright serve", 2, {f"{HALF_RATE}, a bare route": 1}),
        Goal("Server", "resident memory with 100,000 keys in use", 60, {}),
        *(
            Goal(group, f"`{call}`", 1.2, {f"the same request by {library}": 1})
            for group, call, library in (
                ("Python", "client.verify(text)", "httpx.Client"),
                ("Python", "await client.verify(text)", "httpx.AsyncClient"),
                ("Node", "await client.verify(text)", "fetch"),
                ("Rust", "client.verify(text, &request).await", "reqwest"),
            )
        ),
        # At least half as fast.
        Goal("Import", f"{IMPORT}, time per key", 2, {"raw inserts of the rows of 200,000 keys, time per key": 1}),
        Goal("Start", "binary: `keywright --version`", 5, {"`true`": 1}),
        Goal("Start", "wheel: `keywright --version`", 2, {"`python -c pass`": 1}),
        Goal("Start", "npm: `keywright --version`", 2, {"`node -e 0`": 1}),
    ),
    "http": tuple(Goal(framework, "added, keywright", 4, {"added, nothing": 1}) for framework in ("asgi", "fastapi", "express", "axum")),
}


def read(file: Path) -> Figures:
    figures = [Figure(**json.loads(line)) for line in file.read_text().splitlines()]
    return {(it.group, it.name): it for it in figures}


def found(figures: Figures, group: str, name: str) -> Figure:
    """A figure of the group, else of Rust."""
    return figures.get((group, name)) or figures["Rust", name]


def spell(number: float, unit: str) -> str:
    if unit != "ns" or number == 0:
        return f"{number:,.0f} {unit}".strip() if abs(number) >= 1_000 else f"{number:.3g} {unit}".strip()
    for size, larger in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(number) >= size:
            return f"{number / size:.3g} {larger}"
    return f"{number:.3g} ns"


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def goals(suite: str, figures: Figures) -> str:
    lines = [row("of", "figure", "takes", "reference", "takes", "ratio", "goal", "met"), "|---|---|---|---|---|---|---|---|"]
    for goal in GOALS[suite]:
        it = figures.get((goal.group, goal.name))
        if it is None:
            lines.append(row(goal.group, goal.name, "not measured", "", "", "", "", ""))
            continue
        if goal.reference:
            base = sum(weight * found(figures, goal.group, name).value for name, weight in goal.reference.items())
            ratio = it.value / base if base > 0 else float("inf")
            names = " + ".join(name if weight == 1 else f"{weight} times {name}" for name, weight in goal.reference.items())
            cells = (names, spell(base, it.unit), f"{ratio:.2f}", f"≤ {goal.most}")
        else:
            ratio, cells = it.value, ("", "", "", f"≤ {spell(goal.most, it.unit)}")
        lines.append(row(it.group, it.name, spell(it.value, it.unit), *cells, "yes" if ratio <= goal.most else "**no**"))
    return "\n".join(lines)


def table(group: str, figures: Figures) -> str:
    """All figures of a group. That of a peer says how many times ours it is."""
    lines = [row("figure", "median", "p99", "calls", "times ours"), "|---|---|---|---|---|"]
    for it in (it for it in figures.values() if it.group == group):
        thing, _, who = it.name.rpartition(", ")
        ours = figures.get((group, thing)) or figures.get((group, f"{thing}, keywright"))
        times = f"{it.value / ours.value:.2f}" if who in PEERS and ours else ""
        p99 = "" if it.p99 is None else spell(it.p99, it.unit)
        lines.append(row(it.name, spell(it.value, it.unit), p99, it.calls or "", times))
    return "\n".join(lines)


def version(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def machine(data: Path, suite: str) -> str:
    models = (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    server = data / "server.txt"
    return "\n".join(
        [
            f"- {datetime.now(timezone.utc):%Y-%m-%d}, load {os.getloadavg()[1]:.1f} over the last 5 minutes",
            f"- {next(models, platform.machine())}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}; "
            + version("stat", "-f", "-c", "%T", str(data)),
            f"- {version('rustc', '--version')}; Python {platform.python_version()}; Node {version('node', '--version')}",
            *([f"- {server.read_text(encoding='utf-8')}"] if server.exists() else []),
            *([] if suite == "server" else [f"- peers: {peers()}"]),
        ]
    )


def peers() -> str:
    here = Path(__file__).parent
    python = dict(line.split("==") for line in (here / "python/requirements.txt").read_text().split())
    node = json.loads((here / "node/package.json").read_text())["dependencies"]
    return (
        f"djangorestframework-api-key {python['djangorestframework-api-key']} on Django {python['Django']} "
        f"(Python's SQLite {sqlite3.sqlite_version}, or psycopg {python['psycopg']}); keyshield {python['keyshield']}; "
        f"@better-auth/api-key {node['@better-auth/api-key']} on libsql {node['libsql']}, or pg {node['pg']}; "
        f"rate-limiter-flexible {node['rate-limiter-flexible']} on ioredis {node['ioredis']}; limits {python['limits']} "
        f"on redis {python['redis']}; "
        f"governor {governor()}"
    )


def governor() -> str:
    """The version that the benchmark pins."""
    _, _, rest = (Path(__file__).parent / "governor/Cargo.lock").read_text().partition('name = "governor"\nversion = "')
    return rest.partition('"')[0]


HOW = """\
One run of `bash tests/bench/{script}`; release builds. A figure and its reference are timed in turns, in one process, over {rounds} rounds;
a figure is the median of the medians of its rounds, and p99 is over all calls. A goal is a ratio of the two, since absolute times differ
from machine to machine and from day to day.
"""

TEXTS = {
    "hot": """\
# Figures of what memory answers

{how}
Calls are timed in windows (Rust: 128 calls; Python and Node: 20,000 with their loop), but for those that ask the store ("for the first
time", "wrong secret"), which are timed one by one. Keys are of `hmac-sha256` unless named; verifications that memory answers run no
scheme. Allocations and memory are counted by the allocator, for the whole process; memory is that of a new engine with all keys in use
once. System calls are those of the verifying thread under strace. Slow hashes are counted by the time for which their threads have run.

{machine}

## Goals

{goals}

"The check for changes" loads SQLite's WAL index, in a mapping of its own, and two numbers to compare it with.
15 ns count as half a SipHash, which took 30 ns where that goal was set.

## Where the time goes

Shares of the samples of `perf record -e cpu-clock`, in a build with symbols.

- **Hot, scopes and meter**: the SipHash of the text 21 %; length, start, closed engine, coarse clock and freshness 20 %; the look-up in the
  map and the reference to the key 18 %; the judgement 12 %; the scopes 7 %; the counters 7 %; the decision, made and dropped, 7 %; the loop
  and the last reference 8 %. The reference reads the exact clock, a verification without a limit only the coarse one.
- **One limit more**: a third is the read of the exact clock, nearly half the charge with its compare-and-exchange; the rest moves the
  larger outcome into the decision.
- **Malformed, a wrong checksum**: 46 % read the text in full, alphabet and checksum; 17 % allocate and free the denial; length, start and
  freshness come as above.
""",
    "results": """\
# Figures

{how}
Each verification is of another key, so that all of them ask the store (HOT.md has what memory answers); the operating system has the
files in its cache. All databases are in WAL mode with `synchronous=FULL`. Keys are of `hmac-sha256` unless named.

{machine}

## Goals

{goals}

rusqlite runs the SELECT of a verification and reads every column, and inserts the rows of `create` in one transaction, each through one
connection with the engine's schema, triggers and settings. "The same on a thread of its own" hands the transaction to a thread that waits
for it, as a create does: the engine has one thread that writes, so that creates which wait for the disk commit together. "By the core" is
the call of the Rust crate in a program beside, which is asked in turn.
""",
    "postgres": """\
# Figures on PostgreSQL

{how}
The database has 1,000,000 keys of `hmac-sha256` with real verifiers. Each cold verification is of another key, so that all of them ask the
store; the pages are in the server's buffers or in the system's. tokio-postgres runs as its documentation shows it: in a runtime of
`#[tokio::main]`, with a task for each connection. It reads every column. Figures of Python and Node are of 50 calls at once, so that the
reference, which answers from a program beside, costs little more than its work.

- A raw transaction sends the engine's own statements, prepared, in as few round trips, and inserts and updates the engine's own rows.
- "At once" is 64 tasks in one process. A create has returned when its commit is on the disk.
- A revocation counts from its acknowledgement to the first refusal in another process, which verifies every 70 µs; a bare `NOTIFY` from
  its sending to its arrival in another process. A process that is cut off has lost all its connections, and gets no new one;
  `max_staleness` is 2 s.
- The 99th percentile of hot verifications is over windows of 128 calls on one thread, while another thread flushes.
- Round trips and statements are counted by the proxy of the tests.

{machine}

## Goals

{goals}

## Where the time goes

- **Cold verification**: under strace a look-up makes as many calls of futex as one by tokio-postgres alone (4.1), more writes to an
  eventfd (1.05, where the loop of tokio-postgres has 0.5) and more calls of epoll_wait (2.7, where it has 1.7). A possible reason, which
  was not measured by itself: between two look-ups the caller decodes the row, computes the HMAC and fills its cache, so that
  the thread that holds the socket goes to sleep and must be woken.
- **Statements a second**: one flush of counters, which also asks for changes, and one query for changes between two flushes.
""",
    "limits": """\
# Figures of limits

{how}
Keys are of `hmac-sha256` and in memory; the limit is of 1,000,000,000 requests a minute, which no call reaches.

- "One limit more" is a verification with a limit less one without, in windows of 128 calls.
- At 100,000 requests a second, windows of 100 calls begin every millisecond, with a busy loop in between, and a round is half a second: the
  figure is the mean of all its calls, those that wait for Redis among them. Redis itself counts the scripts that it has run, in rounds
  without a pause in between.
- A slow key is one of 5,000 that are used in turn, so that each use buys one request. A raw call is `EVALSHA` of the same script by the
  crate redis, in a runtime of `#[tokio::main]`.
- The four programs are in Rust, Python, Node and Python again. They share one limit of 6,000 a minute with a burst of 1,000 and ask as
  often as they can, then at half the rate.

{machine}

## Goals

{goals}
""",
    "server": """\
# Figures of the server and the program

One run of `bash tests/bench/server.sh`; release builds. Figures and their references are measured in turns, over {rounds} rounds or more;
a figure is the median of its rounds. A goal is a ratio of the two, since absolute times differ from machine to machine and from day to day.

- wrk sends `POST /verify` of one key that is in memory over 16 connections. It runs on the same cores as the server, and so takes a share
  of them. The server runs with the settings that it has by default, the access log among them, which goes to `/dev/null`.
- The bare route is axum's: it parses the body with serde_json, and writes the same answer. It verifies nothing; the server verifies two
  keys, that of the caller and the one in the body.
- At half of the server's rate, each of the 16 connections sends a request when it is due. A request that begins late because the one
  before it took too long counts from when it was due.
- Memory is that of the server after a verification of each key, in batches of 100.
- A client verifies one key by one request after the other, over one connection; its reference sends the same request to the same server by
  the library on which the client stands, in the same process, and reads the answer as JSON. The request by fetch ends after 10 seconds, as
  that of the client and, by itself, that of httpx; what it takes without a limit is a row below.
- An import is a whole run of `keywright import` on SQLite with `synchronous=FULL`: it reads and checks the file, and then writes it, with
  an entry in the audit for each key. The raw inserts put the rows that it has written into the same tables, a thousand keys in each
  transaction, by Python's `executemany`.
- Unkey, a hosted service whose server is in Go, publishes about 10,000 verifications a second with a 99th percentile below 1 ms. That is
  the time in its handler, without network and TLS, on machines that it does not name ("Talking to a database is slow", 2026). Ory Talos
  publishes no figures.

{machine}

## Goals

{goals}
""",
    "http": """\
# Figures of requests

{how}
A figure is CPU time of the server process for one request of a hello route, by one connection that is kept alive. `nothing` is a
middleware, or a dependency of FastAPI, that adds as many bytes of headers and does nothing else. The scheme is `hmac-sha256`, the key is
in memory; keyshield has its cache and a repository in memory, better-auth a SQLite file of 1,000 keys.

{machine}

## Goals

{goals}

## Where the time goes

Shares of the samples of `node --cpu-prof` over 12,000 requests, among the functions of the guard of Express: 68 % are `begin`, which writes
the head of the request as one text and calls the addon; 18 % wrap `writeHead` of the response, which gets the headers; 7 % split the
text that the addon returns; the rest is the middleware itself. `nothing` calls neither an addon nor anything that it has to wrap.
""",
}

NOTES = {
    ("limits", "Rust"): """\
governor counts in the memory of one process, and verifies no key: a request of one budget, and of one of 128 budgets that it finds by id.
""",
    ("limits", "Python"): """\
limits counts with its sliding window counter, which is closest to ours, and with its moving window, which keeps an entry for each
request. Both ask Redis at every request, and verify no key; our figures are of whole verifications.
""",
    ("limits", "Node"): """\
rate-limiter-flexible asks Redis at every request through ioredis, and verifies no key; our figures are of whole verifications.
""",
    ("postgres", "Python"): """\
djangorestframework-api-key stores `sha512` and keeps its connection open; its calls are `APIKey.objects.is_valid` and `create_key`, on
1,000,000 keys.
""",
    ("postgres", "Node"): """\
better-auth stores `sha256`, and its limits are off; it still writes a row at every good verification, which ours does not. It has
1,000,000 keys and a pool of pg.
""",
    ("results", "Python"): """\
djangorestframework-api-key stores `sha512`; its calls are `APIKey.objects.is_valid`, `create_key`, and the fields of the first 1,000 of
`all()`. "GIL kept" and "GIL released" are one function of the core called through `ctypes.PyDLL` and `ctypes.CDLL`, beside a thread that
computes in Python. A call that releases the GIL may get it back only after the other thread's switch interval of 5 ms, which shows in
p99: in the median only where the call outlasts the waking of the other thread.
""",
    ("results", "Node"): """\
better-auth stores `sha256`, and its limits are off; it still writes a row at every good verification, which ours does not. "Well-formed
text of no key" has no write on either side. Its list is the adapter's `findMany`, which is what `listApiKeys` calls.
""",
}


def main() -> None:
    suite, file = sys.argv[1], Path(sys.argv[2])
    figures = read(file)
    script = {
        "hot": "hot.sh",
        "results": "run.sh",
        "http": "http.sh",
        "postgres": "postgres.sh",
        "limits": "limits.sh",
        "server": "server.sh",
    }[suite]
    rounds = min(len(it.rounds) for it in figures.values() if len(it.rounds) > 1)
    how = HOW.format(script=script, rounds=rounds)
    print(TEXTS[suite].format(how=how, rounds=rounds, machine=machine(file.parent, suite), goals=goals(suite, figures)), end="")
    for group in dict.fromkeys(group for group, _ in figures):
        print(f"\n## {group}\n\n{table(group, figures)}")
        if note := NOTES.get((suite, group)):
            print(f"\n{note}", end="")


main()
