"""Turns the figures of one run into the text of RESULTS.md, or of HOT.md: `report.py DATA FIGURES [hot]`."""

import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """What one subject needed for one thing, in nanoseconds."""

    language: str
    figure: str
    subject: str
    scheme: str
    runs: int
    median: float
    p99: float
    mean: float


Figures = dict[tuple[str, str, str], Figure]

LANGUAGES = ("rust", "python", "node")
SAID = {
    "verify 1000": "verify, 1,000 keys",
    "verify 100000": "verify, 100,000 keys",
    "verify 1000000": "verify, 1,000,000 keys",
    "unknown 1000": "well-formed text of no key, 1,000 keys",
    "unknown 100000": "well-formed text of no key, 100,000 keys",
    "unknown 1000000": "well-formed text of no key, 1,000,000 keys",
    "malformed": "malformed text",
    "create": "create",
    "list": "list of 1,000",
    "right": "verify, right secret",
    "wrong": "verify, wrong secret",
    "alone": "verify, nothing beside it",
    "busy": "verify, beside a computing thread",
}
# language, figure, at most so many nanoseconds
GOALS = (
    ("rust", "verify 1000", 10_000),
    ("rust", "verify 100000", 10_000),
    ("rust", "verify 1000000", 10_000),
    ("rust", "malformed", 60),
    ("rust", "wrong", 10_000),
    ("python", "verify 100000", 25_000),
    ("python", "verify 1000000", 25_000),
    ("python", "list", 2_000_000),
    ("node", "list", 5_000_000),
)
# figure, beside what, at most so many times as long
RATIOS = (("create", "rusqlite", 1.3), ("right", "argon2", 1.05))


def read(folder: Path) -> Figures:
    figures: Figures = {}
    for language in LANGUAGES:
        for line in (folder / language).read_text().splitlines():
            found = Figure(language, **json.loads(line))
            figures[language, found.figure, found.subject] = found
    return figures


def spell(nanoseconds: float) -> str:
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def machine(data: Path) -> list[str]:
    cpu = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    file_system = subprocess.run(["stat", "-f", "-c", "%T", str(data)], capture_output=True, text=True).stdout.strip()

    def version(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    return [
        f"- {datetime.now(timezone.utc):%Y-%m-%d}, load {os.getloadavg()[1]:.1f} over the last 5 minutes",
        f"- {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}; {file_system}",
        f"- {version('rustc', '--version')}; Python {platform.python_version()}; Node {version('node', '--version')}",
        f"- peers: {peers()}",
    ]


def peers() -> str:
    here = Path(__file__).parent
    python = dict(line.split("==") for line in (here / "python/requirements.txt").read_text().split())
    node = json.loads((here / "node/package.json").read_text())["dependencies"]
    return (
        f"djangorestframework-api-key {python['djangorestframework-api-key']} on Django {python['Django']} "
        f"(Python's SQLite {sqlite3.sqlite_version}); @better-auth/api-key {node['@better-auth/api-key']} "
        f"on libsql {node['libsql']}"
    )


def goals(figures: Figures) -> list[str]:
    lines = ["| goal | scheme | at most | median | p99 | met |", "|---|---|---|---|---|---|"]
    for language, name, most in GOALS:
        it = figures[language, name, "keywright"]
        met = "yes" if it.median <= most else "**no**"
        lines.append(f"| {language}: {SAID[name]} | {it.scheme} | {spell(most)} | {spell(it.median)} | {spell(it.p99)} | {met} |")
    for name, peer, times in RATIOS:
        it, other = figures["rust", name, "keywright"], figures["rust", name, peer]
        ratio = it.median / other.median
        met = "yes" if ratio <= times else "**no**"
        lines.append(
            f"| rust: {SAID[name]} | {it.scheme} | {times} times {peer} ({spell(other.median)}) "
            f"| {spell(it.median)} = {ratio:.2f} times | {spell(it.p99)} | {met} |"
        )
    return lines


def table(figures: Figures, language: str) -> list[str]:
    lines = ["| what | who | scheme | median | p99 | mean | calls | times ours |", "|---|---|---|---|---|---|---|---|"]
    for name, said in SAID.items():
        rows = [it for (spoken, figure, _), it in figures.items() if spoken == language and figure == name]
        ours = figures.get((language, name, "keywright"))
        for it in rows:
            ratio = "" if ours is None or it is ours else f"{it.median / ours.median:.2f}"
            lines.append(
                f"| {said} | {it.subject} | {it.scheme} | {spell(it.median)} | {spell(it.p99)} | {spell(it.mean)} | {it.runs} | {ratio} |"
            )
    return lines


def runs_of_argon2(figures: Figures, extremes: dict[str, int]) -> str:
    """Whether a wrong secret can have cost a run of argon2, told by time: no run is faster than the fastest."""
    most, least = extremes["wrong_most"], extremes["argon2_least"]
    runs = figures["rust", "wrong", "keywright"].runs
    times = f"the slowest of {runs} wrong secrets took {spell(most)}, the fastest argon2 run {spell(least)}"
    verdict = "argon2 ran for none of them" if most < least else "so one of them may have cost a run"
    return f"Under argon2id {times}: {verdict}."


def hot(folder: Path) -> list[str]:
    lines = ["| language | what | at most | median, or count | p99 | met |", "|---|---|---|---|---|---|"]
    for line in (folder / "hot").read_text().splitlines():
        it = json.loads(line)

        def shown(number: float | None, unit: str = it["unit"]) -> str:
            if number is None:
                return ""
            return spell(number) if unit == "ns" and number > 0 else f"{number:.3g} {unit}".strip()

        met = "" if it["goal"] is None else "yes" if it["value"] <= it["goal"] else "**no**"
        cells = (shown(it["goal"]), shown(it["value"]), shown(it.get("p99")))
        what = re.sub(r"\d{4,}", lambda number: f"{int(number[0]):,}", it["what"])
        lines.append(f"| {it['language']} | {what} | {' | '.join(cells)} | {met} |")
    return lines


TEXT = """\
# Figures

One run of `bash tests/bench/run.sh`; release builds. Every call is timed alone (malformed text in Rust: a thousand at a time), by the
wall clock, and reading the clock is part of it; the subjects of a table take turns in one process. Each verification is of another
key, so that all of them are cold (HOT.md has what memory answers); the operating system has the files in its cache. All
databases are in WAL mode with `synchronous=FULL`.

{machine}

## Goals

{goals}

{argon2}

## Rust

{rust}

`rusqlite` inserts the same rows in one transaction through one connection, with the same schema, triggers and settings; `argon2` is
the crate called with the same parameters.

## Python

{python}

`drf` is djangorestframework-api-key: `APIKey.objects.is_valid`, `create_key`, and the fields of the first 1,000 of `all()`.
"GIL kept" and "GIL released" are one function of the core called through `ctypes.PyDLL` and `ctypes.CDLL`, beside a thread that
computes in Python. Who releases the GIL may get it back only after the other thread's switch interval of 5 ms, which shows in
p99 and mean: in the median only where the call outlasts the waking of the other thread.

## Node

{node}

better-auth's limits are off; it still writes a row at every good verification, which ours does not. "well-formed text of no key" has
no write on either side. Its list is the adapter's `findMany`, which is what `listApiKeys` calls.
"""


HOT = """\
# Figures of what memory answers

One run of `bash tests/bench/hot.sh`; release builds. Calls are timed in windows (Rust: of 128 calls; Python and Node: 20,000; Python's less
what an empty loop takes), and median and p99 are over windows. What asks the store ("for the first time", "wrong secret") is timed call
by call. Keys are of `hmac-sha256` unless named, a scheme that answers from memory do not run: they cost one keyed hash of the text.
Allocations and memory are counted by the allocator, for the whole process; memory is that of a new engine with all keys in use once.
System calls are those of the verifying thread under strace, between two marks. Whether a hash ran is told by the time that the threads
for hashes have run, in units of one hash.

{machine}

{hot}
"""


def main() -> None:
    data, folder = Path(sys.argv[1]), Path(sys.argv[2])
    if sys.argv[3:] == ["hot"]:
        print(HOT.format(machine="\n".join(machine(data)[:3]), hot="\n".join(hot(folder))), end="")
        return
    figures = read(folder)
    extremes = json.loads((folder / "extremes").read_text())
    print(
        TEXT.format(
            machine="\n".join(machine(data)),
            goals="\n".join(goals(figures)),
            argon2=runs_of_argon2(figures, extremes),
            **{language: "\n".join(table(figures, language)) for language in LANGUAGES},
        ),
        end="",
    )


main()
