from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from database import Database
from fixtures import servers, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client import Servers

__all__ = ["servers", "until"]
SCHEMAS = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", help="the version of PostgreSQL; without it, the first one that was built with TLS")


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
def apart(database: Database) -> Iterator[Database]:
    """A schema in a database of its own, for what would reach other schemas."""
    name = f"database_of_{database.schema}"
    database.servers("sql", database.server, statement=f"create database {name}")
    yield database.named(name)
    database.servers("sql", database.server, statement=f"drop database {name} with (force)")
