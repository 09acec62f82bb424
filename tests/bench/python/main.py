"""Keywright and djangorestframework-api-key from Python, in turns: `main.py DATA FIGURES GIL_LIBRARY BENCH`."""

import ctypes
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from drf import Peer, sqlite
from timing import Subject, race, share

from keywright import Keywright

# How many lists are timed at once.
LISTS = 5


PEER = "djangorestframework-api-key"


def wrong(text: str) -> str:
    """The same prefix with another secret."""
    return text[:-1] + ("x" if text[-1] != "x" else "y")


class Core:
    """The core's own list, in the program `bench`, which gets its turn like every other subject."""

    def __init__(self, program: str, data: Path, out: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, data, out, "beside"], stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def list(self, times: int) -> bool:
        self.process.stdin.write(f"{times}\n")
        return self.process.stdout.readline() == "true\n"

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def compare(data: Path, out: Path, count: int) -> None:
    texts = (data / f"keys-{count}.txt").read_text().split()
    strangers = (data / "strangers.txt").read_text().split()
    peer = Peer(sqlite(data / f"drf-{count}.db"), share(count))
    with Keywright(f"sqlite:{data}/keys-{count}.db", brand="bench", pepper=(data / "pepper").read_text()) as kw:
        verify, unknown = f"verify, {count:,} keys", f"well-formed text of no key, {count:,} keys"
        subjects = [
            Subject(verify, kw.verify, texts),
            Subject(f"{verify}, {PEER}", peer.verify, peer.texts),
            Subject(unknown, lambda text: not kw.verify(text), strangers),
            Subject(f"{unknown}, {PEER}", peer.refuse, [wrong(text) for text in peer.texts]),
        ]
        race(out, 450, subjects)


def manage(data: Path, out: Path, program: str) -> None:
    core, peer = Core(program, data, out), Peer(sqlite(data / "drf-100000.db"))
    with Keywright(f"sqlite:{data}/keys-100000.db", brand="bench", pepper=(data / "pepper").read_text()) as kw:
        race(out, 450, [Subject("malformed text", lambda text: not kw.verify(text), ["nonsense"])])
        subjects = [
            Subject("create", lambda _: kw.keys.create(name="bench")),
            Subject(f"create, {PEER}", lambda _: peer.create(name="bench")),
        ]
        race(out, 20, subjects)
        subjects = [
            Subject("list of 1,000", lambda _: all(len(kw.keys.list(limit=1_000).data) == 1_000 for _ in range(LISTS)), times=LISTS),
            Subject("list of 1,000 by the core", lambda _: core.list(LISTS), times=LISTS),
            Subject(f"list of 1,000, {PEER}", lambda _: len(peer.list(1_000)) == 1_000),
        ]
        race(out, 2, subjects)
    core.close()


def beside_a_busy_thread(data: Path, out: Path, library: str) -> None:
    """The same call with the GIL kept and with it released, alone and while another thread computes."""
    file = f"sqlite:{data}/keys-100000.db"
    pepper = (data / "pepper").read_text()
    texts = (data / "keys-100000.txt").read_text().split()
    half = len(texts) // 2
    stop = threading.Event()

    def compute() -> None:
        number = 0
        while not stop.is_set():
            number = (number * 31 + 7) % 1_000_003

    def through(loader: Callable[[str], ctypes.CDLL]) -> Callable[[str], object]:
        native = loader(library)
        if not native.bench_open(file.encode(), pepper.encode()):
            raise SystemExit("the file does not open")

        def verify(text: str) -> object:
            encoded = text.encode()
            return native.bench_verify(encoded, len(encoded))

        return verify

    with Keywright(file, brand="bench", pepper=pepper) as kw:
        calls = {"GIL kept": through(ctypes.PyDLL), "GIL released": through(ctypes.CDLL), "keywright": kw.verify}

        def subjects(where: str) -> list[Subject]:
            parts = {"GIL kept": texts[:half], "GIL released": texts[half:], "keywright": texts}
            return [Subject(f"verify {where}, {name}", call, parts[name]) for name, call in calls.items()]

        race(out, 100, subjects("with nothing beside it"))
        thread = threading.Thread(target=compute)
        thread.start()
        try:
            race(out, 100, subjects("beside a computing thread"))
        finally:
            stop.set()
            thread.join()


def main() -> None:
    data, out, library, program = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    for count in (100_000, 1_000_000):
        compare(data, out, count)
    manage(data, out, program)
    beside_a_busy_thread(data, out, library)


main()
