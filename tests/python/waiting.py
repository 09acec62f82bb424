"""Waiting for what another thread, process or task does: for the event itself, however busy the machine is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# Seconds: longer than anything here takes, so that only what never comes runs out of them.
PATIENCE = 300

PAUSE = 0.005


def until(what: str, holds: Callable[[], Any]) -> None:
    """Waits until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(PAUSE)


async def until_async(what: str, holds: Callable[[], Awaitable[Any]]) -> None:
    """Waits in asyncio or trio until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not await holds():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        await anyio.sleep(PAUSE)
