"""Four programs in Rust, Python and Node share one limit, on one SQLite file, on one PostgreSQL database, and in Redis.

    limits.py rust=COMMAND python=COMMAND node=COMMAND [--limiter NAME]... [--seconds N] [--figures FILE]

All of them ask as often as they can: together they are admitted as often as the burst and the rate say, and no more. At
half the rate none is refused. Before that, programs that share nothing show that the check finds too many.
"""

import argparse
import json
import math
import os
import secrets
import sys
import tempfile
from itertools import count
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "servers"))

from running import Program, write_figure

from client import Servers
from keywright import Keywright

LIMITERS = ("machine", "store", "redis")
LANGUAGES = ("rust", "python", "node", "python")
SECOND = 1_000_000_000

# Requests a minute, and at once.
RATE, BURST = 6_000, 1_000
# How long a program may spend what it bought in the database or in Redis.
LEASE = SECOND // 10


class Site:
    """A database, and the limiter that its programs use."""

    def __init__(self, commands: dict[str, str], name: str, url: str, limiter: str | None = None) -> None:
        self.commands, self.name, self.url, self.limiter = commands, name, url, limiter or name
        self.pepper = secrets.token_hex(32)
        with Keywright(url, brand="check", pepper=self.pepper, limiter="process") as kw:
            self.text = kw.keys.create(name="limited").api_key

    def run(self, pause: int, seconds: float) -> tuple[int, int, int]:
        """How many requests were admitted, how many may be, and how many were refused. A pause is in nanoseconds."""
        limit = {"rate": RATE, "burst": BURST, "limiter": self.limiter, "pause": pause}
        order = {"url": self.url, "text": self.text, **limit}
        programs = [Program(self.commands[it], order, self.pepper) for it in LANGUAGES]
        for program in programs:
            program.wait()
        for program in programs:
            program.start(round(seconds * SECOND))
        results: list[dict[str, int]] = [json.loads(it.line()) for it in programs]
        for program in programs:
            program.end()
        window = max(it["last"] for it in results) - min(it["first"] for it in results)
        if self.name not in ("process", "machine"):
            window += LEASE
        total = {name: sum(it[name] for it in results) for name in ("admitted", "refused")}
        return total["admitted"], BURST + math.floor(window * RATE / 60 / SECOND), total["refused"]


def check(site: Site, seconds: float) -> int:
    """Returns how many requests were admitted above the bound."""
    admitted, most, _ = site.run(0, seconds)
    print(f"{site.name}, as often as they can: {admitted} admitted, {most} allowed", flush=True)
    if admitted < BURST:
        raise SystemExit("that is wrong")
    return max(0, admitted - most)


def check_half(site: Site, seconds: float) -> int:
    """Returns how many requests were refused though each program asked at an eighth of the rate."""
    admitted, _, refused = site.run(2 * len(LANGUAGES) * 60 * SECOND // RATE, seconds)
    print(f"{site.name}, at half the rate: {admitted} admitted, {refused} refused", flush=True)
    if not admitted:
        raise SystemExit("that is wrong")
    return refused


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("commands", nargs="+", metavar="LANGUAGE=COMMAND")
    options.add_argument("--limiter", action="append", choices=LIMITERS, help="by default all of them")
    options.add_argument("--seconds", type=float, default=2)
    options.add_argument("--figures", type=Path, help="a file for the counts")
    given = options.parse_args()
    commands = dict(it.split("=", 1) for it in given.commands)
    with tempfile.TemporaryDirectory() as folder, Servers() as servers:
        files = (f"sqlite:{Path(folder) / f'{number}.db'}" for number in count())
        schemas = (f"{os.environ['KEYWRIGHT_TEST_POSTGRES']}&statement_timeout=1min&schema=limits_{number}" for number in count())
        admitted, most, _ = Site(commands, "process", next(files)).run(0, 0.1)
        if admitted <= most:
            raise SystemExit(f"programs that share nothing were admitted {admitted} times, and no more than {most}")
        for name in given.limiter or LIMITERS:
            limiter = servers("redis")["url"] if name == "redis" else name

            def site(name: str = name, limiter: str = limiter) -> Site:
                return Site(commands, name, next(schemas if name == "store" else files), limiter)

            counts = {
                "admitted above the bound": check(site(), given.seconds),
                "refused at half the rate": check_half(site(), given.seconds),
            }
            for count_of, number in counts.items():
                if given.figures:
                    write_figure(given.figures, f"{name}: {count_of}", number)
            if any(counts.values()):
                raise SystemExit("that is wrong")


main()
