"""The programs that verify and change keys, and the files in which they write down what they saw."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from judge import INF, Event, Report, Rules, Run, State, judge, seen_revoked, states

from keywright import Keywright

LANGUAGES = ("rust", "python", "node")

# Seconds: longer than anything here takes on a busy machine.
PATIENCE = 300


class Program:
    """A running program, which reports its time and its counts on request."""

    def __init__(self, language: str, command: list[str], order: dict[str, Any], pepper: str) -> None:
        self.language, self.name, self.base = language, order["name"], int(order["base"])
        self.counts: dict[str, Any] = {"verified": 0, "hot": None, "answered": 0, "changed": 0, "changing": 0}
        self.process = subprocess.Popen(
            [*command, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KEYWRIGHT_PEPPER": pepper},
        )

    def ask(self) -> None:
        """Reads the counts, and proves that the program uses our clock: its time lies between two of ours."""
        assert self.process.stdin and self.process.stdout
        before = time.monotonic_ns() - self.base
        self.process.stdin.write(f"{before}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        after = time.monotonic_ns() - self.base
        if not line:
            raise SystemExit(f"{self.name} ended too early")
        answer = json.loads(line)
        assert answer.pop("asked") == str(before)
        if not before <= (now := answer.pop("now")) <= after:
            raise SystemExit(f"{self.name} has another clock: {before} <= {now} <= {after} is false")
        self.counts = answer

    def ask_to_stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def stop(self) -> None:
        self.ask_to_stop()
        if self.process.wait(timeout=PATIENCE) != 0:
            raise SystemExit(f"{self.name} failed")

    def kill(self) -> None:
        # One that was stopped does not end before it continues.
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Notes:
    """The folder in which programs announce texts, and write down changes and verdicts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "announced").touch()

    def lines(self, pattern: str) -> list[str]:
        # A program that is killed may leave the last line incomplete.
        return [line for file in self.folder.glob(pattern) for line in file.read_text().split("\n")[:-1]]

    def events(self) -> list[Event]:
        """The changes. One that was begun and not acknowledged may have been made or not."""
        found: dict[tuple[str, int], Event] = {}
        for line in self.lines("*.events"):
            text, what, began, told, code = line.split(" ")
            if told != "-" or (text, int(began)) not in found:
                found[text, int(began)] = Event(text, what, int(began), INF if told == "-" else int(told), code)
        return list(found.values())

    def threads(self) -> dict[str, list[Run]]:
        return {file.stem: [self.run(line) for line in self.lines(file.name)] for file in self.folder.glob("*.runs")}

    @staticmethod
    def run(line: str) -> Run:
        text, code, *rest = line.split(" ")
        count, *times = map(int, rest)
        return Run(text, code, count, (times[0], times[1]), (times[2], times[3]))

    def judged(self, rules: Rules) -> tuple[dict[str, Report], dict[str, list[State]]]:
        """The reports by language, and the states of all texts."""
        history, threads = states(self.events()), self.threads()
        seen = seen_revoked(history, threads, rules)
        reports = {}
        for language in LANGUAGES:
            mine = {name: runs for name, runs in threads.items() if name.startswith(language)}
            reports[language] = judge(history, mine, seen, rules)
        return reports, history

    def agree(self, url: str, pepper: str, history: dict[str, list[State]]) -> None:
        """A program that starts later finds each text in its last state, and an unbroken audit chain."""
        with Keywright(url, brand="check", pepper=pepper) as kw:
            for line in self.lines("announced"):
                name, text = line.split(" ")
                decision = kw.verify(text)
                found = "allowed" if decision.allowed else decision.code
                last = history[name][-1]
                may_be = {last.code, history[name][-2].code} if last.told == INF else {last.code}
                if found not in may_be:
                    raise SystemExit(f"after all, {name} is {found} and not {' or '.join(may_be)}")
            if not kw.audit.verify().ok:
                raise SystemExit("the audit chain is broken")


def table(reports: dict[str, Report], programs: list[Program], events: list[Event]) -> None:
    """Prints a line for each language."""
    print(f"{'':8}{'verified':>10}{'hot':>8}{'changes':>9}{'revokes':>9}{'ends':>7}", end="")
    print(f"{'met hot':>9}{'< 1 ms':>8}{'nearest':>10}{'latest':>10}{'pairs':>9}{'wrong':>7}")
    for language, report in reports.items():
        verified = sum(it.counts["verified"] for it in programs if it.language == language)
        hot = sum(it.counts["hot"] or 0 for it in programs if it.language == language)
        mine = [it for it in events if it.text.startswith(language)]
        revokes = sum(it.code == "revoked" for it in mine)
        latest = "never" if report.latest < 0 else f"{report.latest / 1_000_000:.0f} ms"
        print(
            f"{language:<8}{verified:>10}{f'{hot / verified:.1%}' if hot else '?':>8}{len(mine):>9}{revokes:>9}{report.ends:>7}"
            f"{report.met_hot:>9}{report.within_milli:>8}{report.nearest / 1000:>7.0f} us{latest:>10}{report.pairs:>9}{report.wrong:>7}"
        )
        print(f"{'':8}{report.codes}, {report.unjudged} runs not judged")
        for error in report.errors:
            print(f"{'':8}{error}")
