"""Limits that the workers of a server share, measured by a client over HTTP.

`KEYWRIGHT_TEST_STORE` and `KEYWRIGHT_TEST_LIMITER` name another store and another limiter than those of one machine.
"""

import math
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from keywright import Keywright
from waiting import PATIENCE, until
from workers_app import COST, LIMITS, PEPPER, TIERS

WORKERS = 4


def ask(port: int, path: str, key: str = "") -> tuple[int, str | None]:
    """The status of a response, and the worker that gave it."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers={"Api-Key": key} if key else {})
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["X-Worker"]


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[int, Keywright]]:
    """gunicorn with all its workers at work: its port, and an engine on their database."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = os.environ.get("KEYWRIGHT_TEST_STORE", f"sqlite:{folder}/") + f"workers_{secrets.token_hex(8)}"
    environment = {**os.environ, "DATABASE": url, "LIMITER": os.environ.get("KEYWRIGHT_TEST_LIMITER", "")}
    kw = Keywright(url, brand="lk", pepper=PEPPER, tiers=TIERS)
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), *options]
    here = Path(__file__).parent
    with (folder / "said").open("wb") as said:
        server = subprocess.Popen([*command, "workers_app:app()"], cwd=here, env=environment, stdout=said, stderr=said)
    seen: set[str | None] = set()

    def all_work() -> bool:
        assert server.poll() is None, (folder / "said").read_text()
        try:
            seen.add(ask(port, "/")[1])
        except (OSError, HTTPException):
            return False
        return len(seen) == WORKERS

    try:
        until("all workers answer", all_work)
        yield port, kw
    finally:
        server.terminate()
        server.wait(PATIENCE)
        kw.close()


def holds(clients: ThreadPoolExecutor, port: int, path: str, keys: list[str], numbers: tuple[int, int], cost: int = 1) -> None:
    """Clients of some keys get together what a limit says, and no more. Each asks until it is refused."""
    (rate, burst), begin, total = numbers, time.monotonic(), 0

    def admitted(client: int) -> int:
        count = 0
        while (status := ask(port, path, keys[client % len(keys)])[0]) == 200:
            count += cost
        assert status == 429
        return count

    def whole_burst() -> bool:
        # A worker may hold a few requests in stock for a moment.
        nonlocal total
        total += sum(clients.map(admitted, range(2 * WORKERS)))
        return total >= burst

    until("the whole burst is given", whole_burst)
    assert total <= burst + math.ceil((time.monotonic() - begin) * rate / 60), path


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each worker opens", "opened before the fork"])
def test_workers_of_gunicorn_admit_together_what_a_limit_says(tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(tmp_path, *options) as (port, kw), ThreadPoolExecutor(2 * WORKERS) as clients:
        keys = [kw.org("acme").keys.create(name=f"CI {it}").api_key for it in range(2)]
        other = kw.org("other").keys.create(name="CI").api_key
        for name, numbers in LIMITS.items():
            holds(clients, port, f"/{name}", keys, numbers)
            assert ask(port, f"/{name}", other)[0] == 200
        for tier, rate in TIERS.items():
            key, unspent = (kw.org("acme").keys.create(name=tier, tier=tier).api_key for _ in range(2))
            holds(clients, port, "/tier", [key], (rate, rate), COST)
            assert ask(port, "/tier", unspent)[0] == 200
