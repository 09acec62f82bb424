"""A program of a checker: it gets its order as an argument, and ends when its standard input does. And the figures of a checker."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any


class Program:
    """A running program."""

    def __init__(self, command: str, order: dict[str, Any], pepper: str) -> None:
        self.process = subprocess.Popen(
            [*shlex.split(command), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KEYWRIGHT_PEPPER": pepper},
        )

    def wait(self) -> None:
        """Waits until its engine is open."""
        assert self.line() == "ready"

    def line(self) -> str:
        """The next line that it writes."""
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("a program ended too early")
        return line

    def start(self, span: int) -> None:
        """Lets it ask for so many nanoseconds."""
        assert self.process.stdin
        self.process.stdin.write(f"{span}\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise SystemExit("a program failed")


def write_figure(file: Path, name: str, value: float) -> None:
    """Adds a figure for tests/bench/report.py."""
    line = {"group": "4 programs", "name": name, "unit": "", "rounds": [value], "p99": None, "calls": None}
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")
