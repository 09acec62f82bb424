"""Verifications that memory answers, from Python: `hot.py DATA FIGURES`."""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from timing import Subject, race, share

from keywright import AsyncKeywright, Keywright

# How many calls are timed at once: one is too short.
CALLS = share(20_000)
TURNS = range(CALLS)


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    text = (data / "hot.txt").read_text().split()[0]
    presented = text.encode()
    url, pepper = f"sqlite:{data}/hot.db", "a pepper of the benchmark, of 32 bytes or more"
    kw = Keywright(url, brand="bench", pepper=pepper)
    akw = AsyncKeywright(url, brand="bench", pepper=pepper)
    loop = asyncio.new_event_loop()

    def truth(_item: None) -> bool:
        for _ in TURNS:
            if not kw.verify(text, scopes="deals:read"):
                raise AssertionError
        return True

    def method(_item: None) -> bool:
        for _ in TURNS:
            if not kw.verify(text, scopes="deals:read", method="GET"):
                raise AssertionError
        return True

    def key(_item: None) -> bool:
        for _ in TURNS:
            if kw.verify(text, scopes="deals:read").key is None:
                raise AssertionError
        return True

    async def awaited() -> bool:
        for _ in TURNS:
            if not await akw.verify(text, scopes="deals:read"):
                raise AssertionError
        return True

    def digest(_item: None) -> bool:
        for _ in TURNS:
            if not hashlib.sha256(presented).digest():
                raise AssertionError
        return True

    def run(of: Callable[[], Awaitable[bool]]) -> Callable[[None], bool]:
        return lambda _: loop.run_until_complete(of())

    subjects = [
        Subject('hot: `if kw.verify(text, scopes="deals:read")`', truth, times=CALLS),
        Subject("hot: scopes and method", method, times=CALLS),
        Subject("hot: `.key` of the decision", key, times=CALLS),
        Subject('hot: `await akw.verify(text, scopes="deals:read")`', run(awaited), times=CALLS),
        Subject("`hashlib.sha256(text).digest()`", digest, times=CALLS),
    ]
    race(out, 3, subjects)
    kw.close()
    loop.run_until_complete(akw.close())
    loop.close()


main()
