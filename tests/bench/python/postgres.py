"""Keywright on PostgreSQL from Python, beside djangorestframework-api-key: `postgres.py DATA FIGURES URL RUST`."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from drf import Peer, postgres
from timing import Subject, race, share

from keywright import AsyncKeywright, Keywright

PEER = "djangorestframework-api-key"

# How many calls are timed at once, so that the reference in another process costs little more than its work.
CALLS = 50


class Select:
    """The same SELECT by tokio-postgres, in the program in Rust."""

    def __init__(self, program: str, data: Path, url: str) -> None:
        pipe = subprocess.PIPE
        command = [program, data, "-", url, "-", "select"]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def run(self, _: object) -> bool:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{CALLS}\n")
        return self.process.stdout.readline() == "true\n"

    def close(self) -> None:
        self.process.communicate()


def batches(texts: list[str]) -> list[list[str]]:
    return [texts[start : start + CALLS] for start in range(0, len(texts) - CALLS + 1, CALLS)]


def each(call: Callable[[str], object]) -> Callable[[list[str]], bool]:
    return lambda texts: all(map(call, texts))


def main() -> None:
    data, out, url, program = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    texts = (data / "postgres.txt").read_text().split()
    # So few keys stay in memory that each verification asks the store, also when the texts come again.
    options = {"brand": "bench", "pepper": (data / "pepper").read_text(), "keys_in_memory": len(texts) // 4}
    peer, select = Peer(postgres("drf"), share(1_000_000)), Select(program, data, url)
    kw, akw = Keywright(url, **options), AsyncKeywright(url, **options)
    loop = asyncio.new_event_loop()

    async def awaited(batch: list[str]) -> bool:
        for text in batch:
            if not await akw.verify(text):
                return False
        return True

    half = len(texts) // 2
    subjects = [
        Subject("cold verification", each(kw.verify), batches(texts[:half]), times=CALLS),
        Subject("the same SELECT by tokio-postgres", select.run, times=CALLS),
        Subject("cold verification, awaited", lambda batch: loop.run_until_complete(awaited(batch)), batches(texts[half:]), times=CALLS),
        Subject(f"cold verification, {PEER}", each(peer.verify), batches(peer.texts), times=CALLS),
    ]
    race(out, 8, subjects)
    subjects = [
        Subject("create", lambda _: kw.keys.create(name="bench")),
        Subject(f"create, {PEER}", lambda _: peer.create(name="bench")),
    ]
    race(out, 20, subjects)
    select.close()
    loop.run_until_complete(akw.close())
    loop.close()
    kw.close()


main()
