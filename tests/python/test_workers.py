"""Limits that the workers of a server share, measured by a client over HTTP."""

import math
import os
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
from workers_app import LIMITS, PEPPER

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
    url = f"sqlite:{folder}/keys.db"
    kw = Keywright(url, brand="lk", pepper=PEPPER)
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), *options]
    here = Path(__file__).parent
    with (folder / "said").open("wb") as said:
        server = subprocess.Popen([*command, "workers_app:app()"], cwd=here, env={**os.environ, "DATABASE": url}, stdout=said, stderr=said)
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


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each worker opens", "opened before the fork"])
def test_workers_of_gunicorn_admit_together_what_a_limit_says(tmp_path: Path, options: tuple[str, ...]) -> None:
    with served(tmp_path, *options) as (port, kw), ThreadPoolExecutor(2 * WORKERS) as clients:
        keys = [kw.org("acme").keys.create(name=f"CI {it}").api_key for it in range(2)]
        other = kw.org("other").keys.create(name="CI").api_key
        for path, (rate, burst) in LIMITS.items():
            begin = time.monotonic()

            def admitted(client: int, path: str = path) -> int:
                """The requests of one client that were admitted before one was refused."""
                count = 0
                while (status := ask(port, f"/{path}", keys[client % 2])[0]) == 200:
                    count += 1
                assert status == 429
                return count

            total = sum(clients.map(admitted, range(2 * WORKERS)))
            most = burst + math.ceil((time.monotonic() - begin) * rate / 60)
            assert burst <= total <= most, path
            assert ask(port, f"/{path}", other)[0] == 200
