"""Programs in Rust, Python and Node verify and change keys on one SQLite file at once; no verification may miss an acknowledged change.

    checker.py rust=COMMAND python=COMMAND node=COMMAND [--verifications N] [--seconds N]

Runs until all three together have verified N times. Before that, each language in turn shows a verdict that is up to
5 ms old, on purpose: the check that does not find it proves nothing.
"""

import argparse
import secrets
import shlex
import sys
import tempfile
import time
from pathlib import Path

from judge import Event, Report, Rules, itself

from programs import LANGUAGES, PATIENCE, Notes, Program, table

THREADS = {"rust": 3, "python": 2, "node": 1}
STALE = 5_000_000
# Long enough that every verifier has a state in memory, and that no run of verdicts spans it.
HOLD = (150, 400)
LEAST_PAIRS = 20_000
LEAST_OF_EACH = 150_000


class Check:
    def __init__(self, commands: dict[str, str], folder: Path, stale: str | None = None) -> None:
        self.notes, self.pepper, self.url = Notes(folder), secrets.token_hex(32), f"sqlite:{folder / 'keys.db'}"
        base = str(time.monotonic_ns())
        self.programs = []
        for language in LANGUAGES:
            for kind, verifiers, changers in (("verifier", THREADS[language], 1), ("changer", 0, 3)):
                order = {
                    "url": self.url,
                    "settings": {"busy_timeout": "300s"},
                    "folder": str(folder),
                    "name": f"{language}-{kind}",
                    "base": base,
                    "verifiers": verifiers,
                    "scouts": verifiers,
                    "changers": changers,
                    "plans": [0, 1, 2, 3, 4],
                    "hold": HOLD,
                    "pause": 0,
                    "rarely": 32,
                    "stale": STALE if language == stale else 0,
                    "retries": False,
                }
                self.programs.append(Program(language, shlex.split(commands[language]), order, self.pepper))

    def __enter__(self) -> "Check":
        return self

    def __exit__(self, *_: object) -> None:
        for program in self.programs:
            program.kill()

    def ask(self) -> int:
        for program in self.programs:
            program.ask()
        return sum(program.counts["verified"] for program in self.programs)

    def end(self) -> tuple[dict[str, Report], list[Event]]:
        """Stops all programs, and judges their verdicts by language."""
        self.ask()
        for program in self.programs:
            program.ask_to_stop()
        for program in self.programs:
            program.stop()
        reports, history = self.notes.judged(Rules())
        self.notes.agree(self.url, self.pepper, history)
        return reports, self.notes.events()


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
        verifiers = [it for it in check.programs if it.name.endswith("verifier")]
        while check.ask() < verifications or min(it.counts["verified"] for it in verifiers) < LEAST_OF_EACH:
            if time.monotonic() - began > seconds:
                raise SystemExit(f"only {check.ask()} verifications in {seconds} s")
            time.sleep(0.2)
        reports, events = check.end()
    took, verified = time.monotonic() - began, sum(it.counts["verified"] for it in check.programs)
    table(reports, check.programs, events)
    pairs = sum(it.pairs for it in reports.values())
    print(f"{verified} verifications in {took:.0f} s; {pairs} started within 1 s after an acknowledged end.")
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
