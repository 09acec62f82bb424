from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

from client import PATIENCE, Servers
from database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMAS = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", help="the version of PostgreSQL; without it, the first one that was built with TLS")


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as found:
        yield found


@pytest.fixture
def version(servers: Servers, request: pytest.FixtureRequest) -> str:
    """The version of the server on which a test runs."""
    chosen = request.config.getoption("--server")
    found = [it for it in servers("versions") if it == chosen or (not chosen and servers("state", it)["speaks_tls"])]
    assert found, "no such PostgreSQL is installed"
    return str(found[0])


@pytest.fixture
def database(servers: Servers, version: str) -> Database:
    """A new schema of a running server."""
    return Database(servers, version, servers("state", version)["tcp_url"], f"python_{next(SCHEMAS)}")


@pytest.fixture
def until() -> Callable[..., Any]:
    """Waits until a function gives something true, and returns that."""

    def wait(asked: Callable[[], Any]) -> Any:
        ends = time.monotonic() + PATIENCE
        while not (found := asked()):
            assert time.monotonic() < ends, "it did not come"
            time.sleep(0.02)
        return found

    return wait
