"""Times subjects in turn and writes one line of JSON per figure; `report.py` reads them."""

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# How often each subject has its turn. Figures are medians over these rounds.
ROUNDS = 21


@dataclass(frozen=True)
class Subject:
    """One call that is timed: it gets each item in turn and must return something true.

    `times` is how many times one call does the thing: more than once where reading the clock costs as much as the thing.
    """

    name: str
    call: Callable[[Any], object]
    items: Sequence[Any] = (None,)
    times: int = 1


def share(of: int) -> int:
    """Divides the work by QUICK, for a run that only shows that everything works."""
    return max(1, of // int(os.environ.get("QUICK", "1")))


def race(out: Path, block: int, subjects: Sequence[Subject]) -> None:
    """Calls the subjects in turn, `block` calls of each in a round, so that a disturbance hits all of them alike."""
    block = share(block)
    rounds: list[list[float]] = [[] for _ in subjects]
    calls: list[list[float]] = [[] for _ in subjects]
    clock = time.perf_counter_ns
    for turn in range(ROUNDS):
        for subject, medians, spent in zip(subjects, rounds, calls, strict=True):
            for step in range(block):
                item = subject.items[(turn * block + step) % len(subject.items)]
                started = clock()
                answer = subject.call(item)
                spent.append((clock() - started) / subject.times)
                if not answer:
                    raise AssertionError(f"{subject.name}: unexpected answer to {item!r}")
            medians.append(statistics.median(spent[-block:]))
    for subject, medians, spent in zip(subjects, rounds, calls, strict=True):
        p99 = sorted(spent)[min(len(spent) - 1, len(spent) * 99 // 100)]
        write(out, "Python", subject.name, medians, p99, len(spent) * subject.times)


def write(out: Path, group: str, name: str, rounds: list[float], p99: float | None = None, calls: int | None = None) -> None:
    """Writes a figure in nanoseconds."""
    line = {"group": group, "name": name, "unit": "ns", "rounds": rounds, "p99": p99, "calls": calls}
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")
