"""Verifications that memory answers, from Python: `hot.py DATA FIGURES`. Windows of calls, since one is too short to time."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from keywright import AsyncKeywright, Keywright

CALLS = 20_000
WINDOWS = 60


def median(run: Callable[[], object]) -> float:
    """Nanoseconds of one call."""
    spent = []
    for _ in range(WINDOWS):
        begin = time.perf_counter_ns()
        run()
        spent.append((time.perf_counter_ns() - begin) / CALLS)
    return statistics.median(spent)


def figure(out: Path, what: str, value: float, goal: float | None) -> None:
    with out.open("a") as file:
        file.write(json.dumps({"language": "Python", "what": what, "value": value, "unit": "ns", "goal": goal}) + "\n")


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    text = (data / "hot.txt").read_text().split()[0]
    url, pepper = f"sqlite:{data}/hot.db", "a pepper of the benchmark, of 32 bytes or more"
    turns = range(CALLS)

    with Keywright(url, brand="bench", pepper=pepper) as kw:

        def loop() -> None:
            for _ in turns:
                pass

        def truth() -> None:
            for _ in turns:
                if not kw.verify(text, scopes="deals:read"):
                    raise AssertionError

        def method() -> None:
            for _ in turns:
                if not kw.verify(text, scopes="deals:read", method="GET"):
                    raise AssertionError

        def key() -> None:
            for _ in turns:
                if kw.verify(text, scopes="deals:read").key is None:
                    raise AssertionError

        truth()
        empty = median(loop)
        figure(out, 'hot `if kw.verify(text, scopes="deals:read")`', median(truth) - empty, 250)
        figure(out, "hot, scopes and method", median(method) - empty, None)
        figure(out, "hot, and its key asked for", median(key) - empty, None)

    async def asynchronous() -> None:
        async with AsyncKeywright(url, brand="bench", pepper=pepper) as akw:
            spent = []
            for _ in range(WINDOWS):
                begin = time.perf_counter_ns()
                for _ in turns:
                    await akw.verify(text, scopes="deals:read")
                spent.append((time.perf_counter_ns() - begin) / CALLS)
            figure(out, 'hot `await akw.verify(text, scopes="deals:read")`', statistics.median(spent) - empty, 600)

    asyncio.run(asynchronous())


main()
