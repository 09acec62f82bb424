"""Times calls one by one and writes one line of JSON per figure; `report.py` reads them."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Subject:
    """One thing that is measured: `call` gets each item in turn and must answer something true."""

    figure: str
    name: str
    scheme: str
    call: Callable[[Any], object]
    items: Sequence[Any]


def race(subjects: Sequence[Subject], rounds: int, block: int) -> list[list[int]]:
    """Calls each subject in turn, a block of items at a time, so that a disturbed moment hits all of them alike."""
    times: list[list[int]] = [[] for _ in subjects]
    clock = time.perf_counter_ns
    for turn in range(rounds):
        for subject, spent in zip(subjects, times, strict=True):
            for step in range(block):
                item = subject.items[(turn * block + step) % len(subject.items)]
                started = clock()
                answer = subject.call(item)
                spent.append(clock() - started)
                if not answer:
                    raise AssertionError(f"{subject.figure} of {subject.name}: unexpected answer to {item!r}")
    return times


def record(out: Path, subject: Subject, nanoseconds: list[int]) -> None:
    ordered = sorted(nanoseconds)

    def at(share: float) -> int:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    line = {
        "figure": subject.figure,
        "subject": subject.name,
        "scheme": subject.scheme,
        "runs": len(ordered),
        "median": at(0.5),
        "p99": at(0.99),
        "mean": sum(ordered) / len(ordered),
    }
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")


def run(out: Path, subjects: Sequence[Subject], rounds: int, block: int) -> None:
    for subject, spent in zip(subjects, race(subjects, rounds, block), strict=True):
        record(out, subject, spent)
