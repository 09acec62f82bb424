from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
sys.path.insert(0, str(Path(__file__).parents[1] / "python"))

from fixtures import servers, until
from limited import Limited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from client import Servers

__all__ = ["servers", "until"]


@pytest.fixture
def limited(servers: Servers, tmp_path: Path) -> Iterator[Limited]:
    """A database with one key, whose engines count in Redis."""
    made = Limited(servers, tmp_path / "keys.db")
    yield made
    made.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that names `version` with each server that is installed."""
    if "version" in metafunc.fixturenames:
        from redis_server import programs

        metafunc.parametrize("version", list(programs()))
