"""Keywright and djangorestframework-api-key from Python, in one process and in turns: `main.py DATA OUT GIL_LIBRARY`."""

import ctypes
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import timing
from drf import Peer
from timing import Subject

from keywright import Keywright

OURS = "hmac-sha256"
THEIRS = "sha512"


def wrong(text: str) -> str:
    """The same lookup with another secret; for ours the checksum is wrong as well, as it would be."""
    return text[:-1] + ("x" if text[-1] != "x" else "y")


def compare(data: Path, out: Path, count: int) -> None:
    texts = (data / f"keys-{count}.txt").read_text().split()
    stranger = (data / "strangers.txt").read_text().split()
    peer_file = data / f"drf-{count}.db"
    peer = Peer(peer_file, count)
    with Keywright(f"sqlite:{data}/keys-{count}.db", brand="bench", pepper=(data / "pepper").read_text()) as kw:

        def create(name: str) -> object:
            return kw.keys.create(name=name)

        def first(limit: int) -> bool:
            return len(kw.keys.list(limit=limit).data) == limit

        subjects = [
            Subject(f"verify {count}", "keywright", OURS, kw.verify, texts),
            Subject(f"verify {count}", "drf", THEIRS, peer.verify, peer.texts),
            Subject(f"unknown {count}", "keywright", OURS, lambda text: not kw.verify(text), stranger),
            Subject(f"unknown {count}", "drf", THEIRS, peer.refuse, [wrong(text) for text in peer.texts]),
        ]
        timing.run(out, subjects, rounds=40, block=250)
        if count == 100_000:
            malformed = [Subject("malformed", "keywright", OURS, lambda text: not kw.verify(text), ["nonsense"])]
            timing.run(out, malformed, rounds=40, block=250)
            subjects = [
                Subject("create", "keywright", OURS, create, ["bench"]),
                Subject("create", "drf", THEIRS, peer.create, ["bench"]),
            ]
            timing.run(out, subjects, rounds=40, block=10)
            subjects = [
                Subject("list", "keywright", OURS, first, [1_000]),
                Subject("list", "drf", THEIRS, lambda limit: len(peer.list(limit)) == limit, [1_000]),
            ]
            timing.run(out, subjects, rounds=10, block=10)


def beside_a_busy_thread(data: Path, out: Path, library: str) -> None:
    """One and the same call, first with the GIL kept, then with it released, while another thread computes."""
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
        subjects = [
            Subject("busy", "GIL kept", OURS, through(ctypes.PyDLL), texts[:half]),
            Subject("busy", "GIL released", OURS, through(ctypes.CDLL), texts[half:]),
            Subject("busy", "keywright", OURS, kw.verify, texts),
        ]
        # The library itself first, with nothing beside it.
        timing.run(out, [Subject("alone", item.name, OURS, item.call, item.items) for item in subjects], 20, 100)
        thread = threading.Thread(target=compute)
        thread.start()
        try:
            timing.run(out, subjects, rounds=20, block=100)
        finally:
            stop.set()
            thread.join()


def main() -> None:
    data, out, library = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    for count in (100_000, 1_000_000):
        compare(data, out, count)
    beside_a_busy_thread(data, out, library)


main()
