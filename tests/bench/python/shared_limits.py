"""One limit in Redis from Python, beside limits: `shared_limits.py DATA FIGURES REDIS`."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from timing import Subject, race, share

from keywright import AsyncKeywright, Keywright

PEER = "limits"
WIDE = 1_000_000_000
# How many calls are timed at once: one is too short.
CALLS = share(2_000)


def each(call: Callable[[], object], calls: int) -> Callable[[None], bool]:
    return lambda _: all(call() for _ in range(calls))


def main() -> None:
    data, out, url = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    texts = (data / "limits.txt").read_text().split()
    options = {"brand": "bench", "pepper": "a pepper of the benchmark, of 32 bytes or more", "limits": {"wide": WIDE}}
    database = f"sqlite:{data}/limits.db"
    kw, alone = Keywright(database, limiter=url, **options), Keywright(database, limiter="process", **options)
    akw = AsyncKeywright(database, limiter=url, **options)
    loop = asyncio.new_event_loop()
    storage = RedisStorage(url)
    sliding, moving = SlidingWindowCounterRateLimiter(storage), MovingWindowRateLimiter(storage)
    # A moving window keeps an entry for each request.
    item, few = RateLimitItemPerMinute(WIDE), RateLimitItemPerMinute(1_000)
    if not kw.verify(texts[0]).limits[0].shared:
        raise AssertionError
    for text in texts:
        kw.verify(text)

    async def awaited() -> bool:
        for _ in range(CALLS):
            if not await akw.verify(texts[0]):
                return False
        return True

    subjects = [
        Subject("a hot key, redis", each(lambda: kw.verify(texts[0]), CALLS), times=CALLS),
        Subject("a hot key, redis, awaited", lambda _: loop.run_until_complete(awaited()), times=CALLS),
        Subject("a hot key, process", each(lambda: alone.verify(texts[0]), CALLS), times=CALLS),
        Subject(f"a hot key, redis, {PEER}", each(lambda: sliding.hit(item, texts[0]), CALLS), times=CALLS),
    ]
    race(out, 5, subjects)
    subjects = [
        Subject("a slow key, redis", kw.verify, texts),
        Subject(f"a slow key, redis, {PEER}", lambda text: sliding.hit(item, text), texts),
        Subject("a slow key, redis, a moving window of limits", lambda text: moving.hit(few, text), texts),
    ]
    race(out, 200, subjects)
    loop.run_until_complete(akw.close())
    loop.close()
    kw.close()
    alone.close()


main()
