"""Threads for calls that wait, apart from asyncio's own pool so that neither can starve the other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 8


class Threads:
    """A small pool that starts anew in a forked child, which inherits the pool but not its threads."""

    __slots__ = ("_lock", "_pool", "_process")

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="keywright")
        self._lock = threading.Lock()
        self._process = os.getpid()

    def _own(self) -> None:
        if self._process != os.getpid():
            self._start()

    @property
    def lock(self) -> threading.Lock:
        """A lock that no thread of a parent process can have left held."""
        self._own()
        return self._lock

    async def run(self, call: Callable[[], T]) -> T:
        """Awaits the call. Cancelling the await leaves the call running to its end, begun or not."""
        self._own()
        outcome = _Outcome[T]()
        self._pool.submit(_fulfil, outcome, call)
        return await asyncio.wrap_future(outcome)

    def stop(self) -> None:
        """Lets idle threads go; what was asked for runs to its end."""
        self._own()
        self._pool.shutdown(wait=False)


class _Outcome(Future[T]):
    def cancel(self) -> bool:
        return False


def _fulfil(outcome: Future[Any], call: Callable[[], Any]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to who awaits
        outcome.set_exception(error)
        del outcome  # the error holds this frame, which need not hold the error
