"""Compares the verdicts of verifiers with the changes of changers, on one clock.

The states of a text follow one another: state `i` has one verdict. It may hold from when the change that brought it
began until the change that ended it was acknowledged, and nobody can say more exactly when. A verification is wrong
when no state that may have held between its start and its end has its verdict: so one that started after an
acknowledged revocation must be denied, one that started after an acknowledged `enable` and ended before the next
change began must be allowed, and so on. As soon as one verification has shown a text as revoked, none
that starts later may show another verdict, until a change brings the text back, which only the loss of a database does.

Rules say where this holds. On one file it holds for all processes at once. With one database for several machines, the
process that made a change knows it at once, and any other may show the former state for `max_staleness` after the
acknowledgement; each process for itself never takes back that a text is revoked; and a process that cannot reach the
database answers `unavailable`.

A verifier keeps runs: verifications of one thread and text, one after the other, with equal verdicts, and of each run
only the first and the last. That loses no error. Let a verification `v` of a run be wrong, its verdict being `c`. The
times at which no state with the verdict `c` may have held are gaps, and `v` lies inside one of them.

- A gap that never ends: the last of the run starts no earlier than `v`, so it lies in the gap and is wrong as well.
- A gap that began before all: the first of the run ends no later than `v`, and is wrong as well.
- Any other gap: either the first of the run starts in it, and ends in it since `v` does; or the last ends in it, and
  starts in it since `v` does; or the run spans the gap. A run that does is counted as `unjudged`. On one file it does not
  happen: a run ends after 100 ms, and between changes of a text lie 150 ms. With `max_staleness` a gap can be shorter.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

SECOND = 1_000_000_000
MILLI = 1_000_000
INF = float("inf")


class Event(NamedTuple):
    """A change of a text: when it began, when it was acknowledged (if it was), and the verdict from then on."""

    text: str
    what: str
    began: int
    told: float
    code: str


class Run(NamedTuple):
    """Verifications of one text by one thread with equal verdicts."""

    text: str
    code: str
    times: int
    first: tuple[int, int]
    last: tuple[int, int]


@dataclass(frozen=True)
class Rules:
    """Where and when a change must be known."""

    """For how long another process than the one that made a change may show the former state, in nanoseconds."""
    staleness: int = 0
    """Whether a verdict of one process binds all others."""
    on_one_file: bool = True

    def staleness_of(self, thread: str, text: str) -> int:
        return 0 if process_of(thread) == process_of(maker_of(text)) else self.staleness

    def witness_of(self, thread: str) -> str:
        """The process, or the machine, that must not contradict itself."""
        return "" if self.on_one_file else process_of(thread)

    def allows_always(self, code: str) -> bool:
        return code == "unavailable" and not self.on_one_file


def process_of(thread: str) -> str:
    return thread.rpartition("-")[0] or thread


def maker_of(text: str) -> str:
    """The thread that made a text."""
    return text.rpartition(".")[0]


class State(NamedTuple):
    code: str
    what: str
    began: int
    """When the change that brought it was acknowledged."""
    told: float
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
    nearest: float = INF
    """The longest time after an acknowledged revocation at which a verification started that was allowed."""
    latest: float = -INF
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
        out[text] = [State(it.code, it.what, it.began, it.told, *end) for it, end in zip(found, [*ends, (INF, INF)], strict=True)]
    return out


# When a witness first saw a text as revoked, by witness, text and number of the state.
Seen = dict[tuple[str, str, int], int]


def judge(history: dict[str, list[State]], threads: dict[str, list[Run]], seen: Seen, rules: Rules) -> Report:
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
                judge_run(report, thread, run, known, seen, rules)
            measure(report, mine, known)
    return report


def seen_revoked(history: dict[str, list[State]], threads: dict[str, list[Run]], rules: Rules) -> Seen:
    """When a witness first ended a verification that showed a text as revoked, for each revoked state of it."""
    out: Seen = {}
    for thread, runs in threads.items():
        for run in (run for run in runs if run.code == "revoked"):
            for number, state in enumerate(history.get(run.text, ())):
                if state.code == "revoked" and state.began <= run.first[1] < state.left:
                    key = (rules.witness_of(thread), run.text, number)
                    out[key] = min(out.get(key, run.first[1]), run.first[1])
    return out


def judge_run(report: Report, thread: str, run: Run, known: list[State], seen: Seen, rules: Rules) -> None:
    if rules.allows_always(run.code):
        return
    staleness = rules.staleness_of(thread, run.text)
    fitting = [it for it in known if it.code == run.code]
    ends = [(seen.get((rules.witness_of(thread), run.text, number), INF), it.left) for number, it in enumerate(known)]
    for start, end in {run.first, run.last}:
        if not any(it.began <= end and it.over + staleness >= start for it in fitting):
            held = [it for it in known if it.began <= end]
            since = f"{(start - held[-1].told) / MILLI:.3f} ms after {held[-1].what} was acknowledged" if held else "before it was made"
            report.note(f"{thread}: {run.text} was {run.code} in a verification that started {since}")
        elif run.code != "revoked" and (since_seen := [start - it for it, left in ends if it < start < left]):
            report.note(f"{thread}: {run.text} was {run.code} {max(since_seen) / MILLI:.3f} ms after it was found revoked")
    for before, after in pairwise(fitting):
        over = before.over + staleness
        if over < after.began and run.first[0] <= over and run.last[1] >= after.began and run.first != run.last:
            report.unjudged += 1


def measure(report: Report, runs: list[Run], known: list[State]) -> None:
    """How closely the verifications of one thread met the ends of states."""
    for state in known[1:]:
        if state.code == "allowed":
            continue
        report.ends += 1
        if state.code == "revoked":
            late = [run.last[0] - state.told for run in runs if run.code == "allowed" and state.told < run.last[0] < state.left]
            report.latest = max([report.latest, *late])
        after = [run for run in runs if run.last[0] > state.told]
        for run in after:
            until = min(state.told + SECOND, state.left)
            if run.first[0] > state.told and run.last[1] <= until:
                report.pairs += run.times
            else:
                report.pairs += sum(state.told < start and end <= until for start, end in {run.first, run.last})
        started = [start for run in after for start, _ in (run.first, run.last) if start > state.told]
        nearest = min(started, default=INF) - state.told
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

    def judged(*runs: Run, rules: Rules = Rules()) -> Report:
        threads = {"t-0": list(runs)}
        return judge(history, threads, seen_revoked(history, threads, rules), rules)

    def found(*runs: tuple[str, float, float], rules: Rules = Rules()) -> Report:
        return judged(*[Run("a", code, 1, *[(int(s * ms), int(e * ms))] * 2) for code, s, e in runs], rules=rules)

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
    with_staleness(found)


def with_staleness(found: Callable[..., Report]) -> None:
    """The same for several machines. `found` judges a text whose revocation was acknowledged at 602 ms."""
    rules = Rules(staleness=50 * MILLI, on_one_file=False)
    late = ("allowed", 640, 641)
    assert (found(late, rules=rules).wrong, found(late, rules=rules).latest) == (0, 38 * MILLI)
    assert found(("allowed", 653, 654), rules=rules).wrong == 1
    assert found(("revoked", 604, 605), late, rules=rules).wrong == 1
    assert found(("unavailable", 640, 641), ("unavailable", 9_000, 9_001), rules=rules).wrong == 0
    assert found(("invalid", 640, 641), rules=rules).wrong == 1
    # The process that made the change knows it at once.
    own = states([Event("t-1.0", "create", 0, 1, "allowed"), Event("t-1.0", "revoke", 600, 602, "revoked")])
    for thread, wrong in (("t-0", 1), ("u-0", 0)):
        assert judge(own, {thread: [Run("t-1.0", "allowed", 1, (603, 604), (603, 604))]}, {}, rules).wrong == wrong
    # A database that has lost the revocation brings the text back.
    steps = [("create", 0, 1, "allowed"), ("revoke", 2, 3, "revoked"), ("failover", 9, 10, "allowed")]
    restored = states([Event("b", *step) for step in steps])
    for seen, wrong in (([("revoked", 4), ("allowed", 10), ("revoked", 11), ("allowed", 12)], 0), ([("revoked", 4), ("allowed", 5)], 1)):
        threads = {"t-0": [Run("b", code, 1, (at, at), (at, at)) for code, at in seen]}
        assert judge(restored, threads, seen_revoked(restored, threads, rules), rules).wrong == wrong
