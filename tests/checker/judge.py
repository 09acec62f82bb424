"""Compares the verdicts of verifiers with the changes of changers, on one clock.

The states of a text follow one another: state `i` has one verdict. It may hold from when the change that brought it
began until the change that ended it was acknowledged, and nobody can say more exactly when. A verification is wrong
when no state that may have held between its start and its end has its verdict: so one that started after an
acknowledged revocation must be denied, one that started after an acknowledged `enable` and ended before the next
change began must be allowed, and so on. As soon as one verification has shown the last state, wherever it ran, none
that starts later may show another: a commit is there for all processes at once.

A verifier keeps runs: verifications of one thread and text, one after the other, with equal verdicts, and of each run
only the first and the last. That loses no error. Let a verification `v` of a run be wrong, its verdict being `c`. The
times at which no state with the verdict `c` may have held are gaps, and `v` lies inside one of them.

- A gap that never ends: the last of the run starts no earlier than `v`, so it lies in the gap and is wrong as well.
- A gap that began before all: the first of the run ends no later than `v`, and is wrong as well.
- Any other gap: either the first of the run starts in it, and ends in it since `v` does; or the last ends in it, and
  starts in it since `v` does; or the run spans the gap. A run that does is counted as `unjudged`, and fails the check.
  It does not happen: a run ends after 100 ms, and between changes of a text lie 150 ms.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

SECOND = 1_000_000_000
MILLI = 1_000_000


class Event(NamedTuple):
    """A change of a text: when it began, when it was acknowledged, and the verdict from then on."""

    text: str
    what: str
    began: int
    told: int
    code: str


class Run(NamedTuple):
    """Verifications of one text by one thread with equal verdicts."""

    text: str
    code: str
    times: int
    first: tuple[int, int]
    last: tuple[int, int]


class State(NamedTuple):
    code: str
    what: str
    began: int
    """When the change that brought it was acknowledged."""
    told: int
    """When the change that ended it began, and when that was acknowledged."""
    left: float
    over: float


@dataclass
class Report:
    errors: list[str] = field(default_factory=list)
    wrong: int = 0
    unjudged: int = 0
    ends: int = 0
    """Verifications that started after an acknowledged end and within one second of it."""
    pairs: int = 0
    """Ends of a text that the thread had just allowed."""
    met_hot: int = 0
    """Ends that a thread first verified within a millisecond."""
    within_milli: int = 0
    nearest: float = float("inf")
    codes: dict[str, int] = field(default_factory=dict)

    def note(self, error: str) -> None:
        self.wrong += 1
        if len(self.errors) < 20:
            self.errors.append(error)


def states(events: Iterable[Event]) -> dict[str, list[State]]:
    by_text: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda it: it.began):
        by_text.setdefault(event.text, []).append(event)
    out = {}
    for text, found in by_text.items():
        ends = [(it.began, it.told) for it in found[1:]]
        out[text] = [
            State(it.code, it.what, it.began, it.told, *end) for it, end in zip(found, [*ends, (float("inf"), float("inf"))], strict=True)
        ]
    return out


def judge(history: dict[str, list[State]], threads: dict[str, list[Run]], seen: dict[str, int]) -> Report:
    """Judges some threads, given what all of them have `seen`."""
    report = Report()
    for thread, runs in threads.items():
        by_text: dict[str, list[Run]] = {}
        for run in runs:
            by_text.setdefault(run.text, []).append(run)
            report.codes[run.code] = report.codes.get(run.code, 0) + run.times
        for text, mine in by_text.items():
            known = history.get(text)
            if known is None:
                report.note(f"{thread} verified {text}, which nobody says to have made")
                continue
            for run in mine:
                judge_run(report, thread, run, known, seen.get(text, float("inf")))
            measure(report, mine, known)
    return report


def seen_revoked(threads: dict[str, list[Run]]) -> dict[str, int]:
    """When a verification first ended that showed a text as revoked, which is the last state of any."""
    out: dict[str, int] = {}
    for run in (run for runs in threads.values() for run in runs if run.code == "revoked"):
        out[run.text] = min(out.get(run.text, run.first[1]), run.first[1])
    return out


def judge_run(report: Report, thread: str, run: Run, known: list[State], seen: float) -> None:
    fitting = [it for it in known if it.code == run.code]
    for start, end in {run.first, run.last}:
        if not any(it.began <= end and it.over >= start for it in fitting):
            held = [it for it in known if it.began <= end]
            since = f"{(start - held[-1].told) / MILLI:.3f} ms after {held[-1].what} was acknowledged" if held else "before it was made"
            report.note(f"{thread}: {run.text} was {run.code} in a verification that started {since}")
        elif run.code != "revoked" and start > seen:
            report.note(f"{thread}: {run.text} was {run.code} {(start - seen) / MILLI:.3f} ms after somebody found it revoked")
    for before, after in pairwise(fitting):
        if run.first[0] <= before.over and run.last[1] >= after.began and run.first != run.last:
            report.unjudged += 1


def measure(report: Report, runs: list[Run], known: list[State]) -> None:
    """How closely the verifications of one thread met the ends of states."""
    for state in known[1:]:
        if state.code == "allowed":
            continue
        report.ends += 1
        after = [run for run in runs if run.last[0] > state.told]
        for run in after:
            until = min(state.told + SECOND, state.left)
            if run.first[0] > state.told and run.last[1] <= until:
                report.pairs += run.times
            else:
                report.pairs += sum(state.told < start and end <= until for start, end in {run.first, run.last})
        started = [start for run in after for start, _ in (run.first, run.last) if start > state.told]
        nearest = min(started, default=float("inf")) - state.told
        report.within_milli += nearest < MILLI
        report.nearest = min(report.nearest, nearest)
        report.met_hot += any(run.code == "allowed" and state.began - 50 * MILLI < run.last[0] <= state.told for run in runs)


def itself() -> None:
    """The judge finds every kind of error, and none where there is none."""
    ms = MILLI
    made = Event("a", "create", 0, 1 * ms, "allowed")
    off = Event("a", "disable", 200 * ms, 202 * ms, "disabled")
    on = Event("a", "enable", 400 * ms, 402 * ms, "allowed")
    gone = Event("a", "revoke", 600 * ms, 602 * ms, "revoked")
    history = states([gone, made, on, off])

    def judged(*runs: Run) -> Report:
        return judge(history, {"t": list(runs)}, seen_revoked({"t": list(runs)}))

    def found(*runs: tuple[str, float, float]) -> Report:
        return judged(*[Run("a", code, 1, *[(int(s * ms), int(e * ms))] * 2) for code, s, e in runs])

    right = [
        ("allowed", 5, 6),
        ("allowed", 201, 203),
        ("disabled", 200, 201),
        ("disabled", 203, 204),
        ("disabled", 401, 405),
        ("allowed", 399, 401),
        ("allowed", 403, 404),
        ("allowed", 601, 601.2),
        ("revoked", 601.5, 602.5),
        ("revoked", 700, 701),
    ]
    assert found(*right).wrong == 0
    for wrong in [
        ("allowed", 603, 604),
        ("allowed", 9_000, 9_001),
        ("allowed", 203, 204),
        ("disabled", 403, 404),
        ("disabled", 603, 604),
        ("revoked", 5, 6),
        ("invalid", 5, 6),
        ("unavailable", 5, 6),
        ("invalid", 601, 602),
        ("invalid", 700, 701),
    ]:
        assert found(*right, wrong).wrong > 0, wrong
    # Not yet acknowledged, but already seen by another.
    assert found(("revoked", 600, 600.5), ("allowed", 601, 601.2)).wrong == 1
    spanning = Run("a", "allowed", 9, (190 * ms, 191 * ms), (410 * ms, 411 * ms))
    assert judged(spanning).unjudged == 1
    beside = Run("a", "allowed", 9, (190 * ms, 191 * ms), (201 * ms, 204 * ms))
    assert (judged(beside).unjudged, judged(beside).wrong) == (0, 0)
    middle = Run("a", "disabled", 5, (230 * ms, 231 * ms), (330 * ms, 331 * ms))
    report = judged(Run("a", "allowed", 9, (150 * ms, 151 * ms), (199 * ms, 201 * ms)), middle)
    assert (report.pairs, report.met_hot, report.wrong) == (5, 1, 0)
