"""Fixtures for pytest: ``pytest_plugins = ["keywright.testing.fixtures"]`` in the root ``conftest.py``.

Override ``keywright_options`` with the options of your application: its brand, scopes and so on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keywright import AsyncKeywright, Keywright
from keywright.testing import ManualClock

__all__ = ["async_kw", "clock", "keywright_options", "kw"]


@pytest.fixture
def clock() -> ManualClock:
    """The clock of ``kw`` and ``async_kw``. It stands at the start of 2026 until a test moves it."""
    return ManualClock()


@pytest.fixture
def keywright_options() -> dict[str, Any]:
    """The options of ``kw`` and ``async_kw``."""
    return {"brand": "test", "pepper": "a pepper for tests, and for nothing else"}


@pytest.fixture
def kw(tmp_path: Path, clock: ManualClock, keywright_options: dict[str, Any]) -> Iterator[Keywright]:
    """An engine on a fresh database."""
    with Keywright(f"sqlite:{tmp_path / 'keywright.db'}", clock=clock, **keywright_options) as engine:
        yield engine


@pytest.fixture
def async_kw(tmp_path: Path, clock: ManualClock, keywright_options: dict[str, Any]) -> Iterator[AsyncKeywright]:
    """An asyncio engine on a fresh database; it opens with the first call."""
    engine = AsyncKeywright(f"sqlite:{tmp_path / 'keywright.db'}", clock=clock, **keywright_options)
    yield engine
    asyncio.run(engine.close())
