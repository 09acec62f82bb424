"""Programs in Rust, Python and Node verify and change keys on one SQLite file at once; no verification may miss an acknowledged change.

    checker.py rust=COMMAND python=COMMAND node=COMMAND [--verifications N] [--seconds N]

Runs until all three together have verified N times. Before that, each language in turn shows a verdict that is up to
5 ms old, on purpose: the check that does not find it proves nothing.
"""

import argparse
import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from judge import Event, Report, Run, itself, judge, seen_revoked, states

from keywright import Keywright

LANGUAGES = ("rust", "python", "node")
THREADS = {"rust": 3, "python": 2, "node": 1}
STALE = 5_000_000

# Seconds: longer than anything here takes on a busy machine.
PATIENCE = 300
LEAST_PAIRS = 20_000
LEAST_OF_EACH = 150_000


class Program:
    """A running program, which reports its time and its count on request."""

    def __init__(self, language: str, command: list[str], order: dict[str, Any], pepper: str) -> None:
        self.language, self.name, self.base = language, order["name"], int(order["base"])
        self.verified, self.hot = 0, None
        self.process = subprocess.Popen(
            [*command, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KEYWRIGHT_PEPPER": pepper},
        )

    def ask(self) -> None:
        """Reads the count, and proves that the program uses our clock: its time lies between two of ours."""
        assert self.process.stdin and self.process.stdout
        before = time.monotonic_ns() - self.base
        self.process.stdin.write(f"{before}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        after = time.monotonic_ns() - self.base
        if not line:
            raise SystemExit(f"{self.name} ended too early")
        answer = json.loads(line)
        assert answer["asked"] == str(before)
        if not before <= answer["now"] <= after:
            raise SystemExit(f"{self.name} has another clock: {before} <= {answer['now']} <= {after} is false")
        self.verified, self.hot = answer["verified"], answer["hot"]

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        if self.process.wait(timeout=PATIENCE) != 0:
            raise SystemExit(f"{self.name} failed")


class Check:
    def __init__(self, commands: dict[str, str], folder: Path, stale: str | None = None) -> None:
        self.folder, self.pepper = folder, secrets.token_hex(32)
        (folder / "announced").touch()
        base = str(time.monotonic_ns())
        self.programs = []
        for language in LANGUAGES:
            for kind, verifiers, changers in (("verifier", THREADS[language], 1), ("changer", 0, 3)):
                order = {
                    "file": str(folder / "keys.db"),
                    "folder": str(folder),
                    "name": f"{language}-{kind}",
                    "base": base,
                    "verifiers": verifiers,
                    "changers": changers,
                    "stale": STALE if language == stale else 0,
                }
                self.programs.append(Program(language, shlex.split(commands[language]), order, self.pepper))

    def __enter__(self) -> "Check":
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs:
            program.process.kill()
            program.process.wait()

    def ask(self) -> int:
        for program in self.programs:
            program.ask()
        return sum(program.verified for program in self.programs)

    def end(self) -> tuple[dict[str, Report], list[Event]]:
        """Stops all programs, and judges their verdicts by language."""
        self.ask()
        for program in self.programs:
            program.stop()
        events = [self.event(line) for line in self.lines("*.events")]
        history = states(events)
        threads = {file.stem: [self.run(line) for line in self.lines(file.name)] for file in self.folder.glob("*.runs")}
        seen = seen_revoked(threads)
        reports = {}
        for language in LANGUAGES:
            reports[language] = judge(history, {name: runs for name, runs in threads.items() if name.startswith(language)}, seen)
        self.agree_afterwards(history)
        return reports, events

    def lines(self, pattern: str) -> list[str]:
        return [line for file in self.folder.glob(pattern) for line in file.read_text().splitlines() if line]

    @staticmethod
    def event(line: str) -> Event:
        text, what, began, told, code = line.split(" ")
        return Event(text, what, int(began), int(told), code)

    @staticmethod
    def run(line: str) -> Run:
        text, code, *rest = line.split(" ")
        count, *times = map(int, rest)
        return Run(text, code, count, (times[0], times[1]), (times[2], times[3]))

    def agree_afterwards(self, history: dict[str, Any]) -> None:
        """A program that starts later finds each text in its last state, and an unbroken audit chain."""
        with Keywright(f"sqlite:{self.folder / 'keys.db'}", brand="check", pepper=self.pepper) as kw:
            for line in self.lines("announced"):
                name, text = line.split(" ")
                decision = kw.verify(text)
                found = "allowed" if decision.allowed else decision.code
                if found != history[name][-1].code:
                    raise SystemExit(f"after all, {name} is {found} and not {history[name][-1].code}")
            if not kw.audit.verify().ok:
                raise SystemExit("the audit chain is broken")


def finds(commands: dict[str, str], language: str) -> bool:
    """Whether the judge finds an old verdict of one language, and blames no other language."""
    began = time.monotonic()
    wrong = dict.fromkeys(LANGUAGES, 0)
    # On a busy machine few verifications meet a change, so this is tried again.
    while not any(wrong.values()) and time.monotonic() - began < PATIENCE:
        with tempfile.TemporaryDirectory() as folder, Check(commands, Path(folder), stale=language) as check:
            time.sleep(8)
            reports, _ = check.end()
        wrong = {it: report.wrong for it, report in reports.items()}
    print(f"  {language:<6} keeps verdicts for 5 ms: {wrong[language]} found, as {reports[language].errors[:1]}")
    return wrong[language] > 0 and not any(count for it, count in wrong.items() if it != language)


def holds(commands: dict[str, str], verifications: int, seconds: int) -> bool:
    with tempfile.TemporaryDirectory() as folder, Check(commands, Path(folder)) as check:
        began = time.monotonic()
        while check.ask() < verifications or min(it.verified for it in check.programs if it.name.endswith("verifier")) < LEAST_OF_EACH:
            if time.monotonic() - began > seconds:
                raise SystemExit(f"only {check.ask()} verifications in {seconds} s")
            time.sleep(0.2)
        reports, events = check.end()
    took, programs = time.monotonic() - began, check.programs
    print(f"{'':8}{'verified':>10}{'hot':>8}{'changes':>9}{'revokes':>9}{'ends':>7}", end="")
    print(f"{'met hot':>9}{'< 1 ms':>8}{'nearest':>10}{'pairs':>9}{'wrong':>7}")
    for language, report in reports.items():
        verified = sum(it.verified for it in programs if it.language == language)
        hot = sum(it.hot or 0 for it in programs if it.language == language)
        mine = [it for it in events if it.text.startswith(language)]
        revokes = sum(it.code == "revoked" for it in mine)
        print(
            f"{language:<8}{verified:>10}{f'{hot / verified:.1%}' if hot else '?':>8}{len(mine):>9}{revokes:>9}{report.ends:>7}"
            f"{report.met_hot:>9}{report.within_milli:>8}{report.nearest / 1000:>7.0f} us{report.pairs:>9}{report.wrong:>7}"
        )
        print(f"{'':8}{report.codes}, {report.unjudged} runs not judged")
        for error in report.errors:
            print(f"{'':8}{error}")
    pairs = sum(it.pairs for it in reports.values())
    print(f"{sum(it.verified for it in programs)} verifications in {took:.0f} s; {pairs} started within 1 s after an acknowledged end.")
    right = all(it.wrong == 0 and it.unjudged == 0 and it.met_hot > 0 for it in reports.values())
    return right and pairs >= LEAST_PAIRS


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("commands", nargs=3)
    parser.add_argument("--verifications", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=1_800)
    given = parser.parse_args()
    commands = dict(it.split("=", 1) for it in given.commands)
    itself()
    print("The check finds what it should find:")
    able = [finds(commands, language) for language in LANGUAGES]
    print("Six programs on one file:")
    right = holds(commands, given.verifications, given.seconds)
    return 0 if all(able) and right else 1


if __name__ == "__main__":
    sys.exit(main())
