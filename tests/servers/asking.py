"""Processes that ask a limit when they are told to.

`asking.py ORDER` is one of them: it verifies a key for each line of its input, and answers with the code and the time to wait.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 300
# How long a process may spend what it bought, in seconds.
LEASE = 0.1


@dataclass
class Refusal:
    """An answer of a process, and when it came: on the clock of this machine, which its servers use too."""

    before: float
    after: float
    wait: int


class AskingProcess:
    """A process with an engine of its own."""

    def __init__(self, order: dict[str, Any]) -> None:
        command = [sys.executable, __file__, json.dumps(order)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._deadline = threading.Timer(PATIENCE, self._process.kill)
        self._deadline.start()
        # The longest time that a purchase can have taken.
        self.slowest = LEASE
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "a process ended too early"
        return line

    def ask(self) -> Refusal | None:
        """Asks once. None if the request was admitted, or the place took too long to count it."""
        assert self._process.stdin is not None
        before = time.time()
        self._process.stdin.write("ask\n")
        self._process.stdin.flush()
        answer = json.loads(self._line())
        after = time.time()
        self.slowest = max(self.slowest, after - before)
        return Refusal(before, after, answer["wait"]) if answer["shared"] and answer["code"] == "rate_limited" else None

    def end(self) -> None:
        self._deadline.cancel()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()


@contextmanager
def asking(order: dict[str, Any], number: int) -> Iterator[list[AskingProcess]]:
    """So many processes on one database."""
    with ExitStack() as stack:
        processes = []
        for _ in range(number):
            processes.append(AskingProcess(order))
            stack.callback(processes[-1].end)
        yield processes


def agree(processes: list[AskingProcess], comes_back: Callable[[], float]) -> bool:
    """Whether refusals of all processes say when the next request passes: never too early, and later by a lease at most.

    `comes_back` reads that time in the shared place. False if there is nothing to compare, because a request came back meanwhile.
    """
    while any(process.ask() is None for process in processes):
        pass
    expected, ends = comes_back(), time.time() + 1.5
    refusals = []
    # A refusal is remembered for a second at most, so that each process asks the place more than once.
    while time.time() < ends:
        refusals += [(process, refusal) for process in processes if (refusal := process.ask())]
        time.sleep(0.05)
    if comes_back() != expected:
        return False
    for process, refusal in refusals:
        assert refusal.after + refusal.wait >= expected
        # The header has whole seconds, rounded up.
        assert refusal.before + refusal.wait - 1 <= expected + process.slowest
    return {id(process) for process, _ in refusals} == {id(process) for process in processes}


def run(order: dict[str, Any]) -> None:
    from keywright import Keywright

    key = order.pop("key")
    with Keywright(brand="liq", **order) as kw:
        kw.verify(key)
        print("ready", flush=True)
        for _ in sys.stdin:
            decision = kw.verify(key)
            shared = bool(decision.limits) and decision.limits[0].shared
            print(json.dumps({"code": decision.code, "wait": decision.retry_after_seconds, "shared": shared}), flush=True)


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
