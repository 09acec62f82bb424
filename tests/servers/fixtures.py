"""Fixtures of the tests that ask servers for something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from client import PATIENCE, Servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as found:
        yield found


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
