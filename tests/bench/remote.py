"""The client of a server beside the same request by httpx: one verification after the other, in turns.

`python tests/bench/remote.py` prints medians and their ratio. It needs the built package.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from keywright import Client
from program import Served

ROUNDS = 30
REQUESTS = 50
GOAL = 1.2


def took(act: Callable[[], object]) -> float:
    """The microseconds of one of many requests."""
    began = time.perf_counter()
    for _ in range(REQUESTS):
        act()
    return (time.perf_counter() - began) / REQUESTS * 1e6


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder), server="")
        verifier, key = served.create("--scopes", "keys:verify"), served.create("--scopes", "deals:read")
        served.start()
        headers = {"authorization": f"Bearer {verifier}"}
        body = {"api_key": key, "scopes": "deals:read"}
        try:
            with Client(served.place, api_key=verifier) as client, httpx.Client() as http:
                ways: dict[str, Callable[[], object]] = {
                    "httpx": lambda: http.post(f"{served.place}/verify", json=body, headers=headers).json()["allowed"],
                    "client": lambda: client.verify(key, scopes="deals:read").allowed,
                }
                assert all(act() is True for act in ways.values())
                found: dict[str, list[float]] = {name: [] for name in ways}
                for _ in range(ROUNDS):
                    for name, act in ways.items():
                        found[name].append(took(act))
        finally:
            served.end()
    medians = {name: statistics.median(times) for name, times in found.items()}
    ratio = medians["client"] / medians["httpx"]
    print(", ".join(f"{name} {median:.0f} µs" for name, median in medians.items()), f"ratio {ratio:.2f} (goal {GOAL})", sep=", ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
