"""Threads for calls that wait. They are separate from the pool of the event loop, so that neither can starve the other."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from keywright._native import _call_unless_left
from keywright.errors import Closed

T = TypeVar("T")

MAX_THREADS = 8


class Threads:
    """A small thread pool. A forked child inherits the pool without its threads, so it starts a new one."""

    __slots__ = ("_lock", "_pool", "_process")

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="keywright")
        self._lock = threading.Lock()
        self._process = os.getpid()

    def _own(self) -> None:
        if self._process != os.getpid():
            self._start()

    @property
    def lock(self) -> threading.Lock:
        """A lock of this process alone: after a fork, no thread of the parent can hold it."""
        self._own()
        return self._lock

    def wait_for(self, call: Callable[[], object], seconds: float) -> None:
        """Runs a call on a thread and waits for its end, for a limited time. Its error is left to the next call."""
        self._own()
        with suppress(RuntimeError):  # the pool was shut down
            wait_for_all([self._pool.submit(call)], seconds)

    async def run(self, call: Callable[[], T], *, past_locks: bool = True) -> T:
        """Runs a call on a thread and awaits it. Cancelling the await does not cancel the call.

        A wait for a lock of another program ends when the loop is closed, or at once without ``past_locks``.
        """
        self._own()
        outcome = _Outcome[T]()
        wait, is_left = _waiter(), _end_of_loop() if past_locks else _always
        try:
            self._pool.submit(_fulfil, outcome, call, is_left)
        except RuntimeError:
            # The pool was shut down.
            raise Closed("this Keywright is closed; open a new one") from None
        return await wait(outcome)

    def stop(self) -> None:
        """Ends idle threads. Calls in progress run to their end."""
        self._own()
        self._pool.shutdown(wait=False)


class _Outcome(Future[T]):
    def cancel(self) -> bool:
        return False


def _always() -> bool:
    return True


def _trio() -> Any:
    """Returns the module trio if its loop runs here."""
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


def _waiter() -> Callable[[Future[T]], Awaitable[T]]:
    """Returns the function by which the running loop, of asyncio or trio, waits for a thread."""
    if _trio():
        return _wait_in_trio
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("AsyncKeywright is awaited under asyncio or trio alone; elsewhere call Keywright on a thread") from None
    return asyncio.wrap_future


def _end_of_loop() -> Callable[[], bool]:
    """Returns a function that tells whether the running loop is closed."""
    trio = _trio()
    return partial(_is_trio_closed, trio.lowlevel.current_trio_token()) if trio else asyncio.get_running_loop().is_closed


async def _wait_in_trio(outcome: Future[T]) -> T:
    trio: Any = sys.modules["trio"]
    token, is_done = trio.lowlevel.current_trio_token(), trio.Event()

    def tell(_outcome: Future[T]) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(is_done.set)

    outcome.add_done_callback(tell)
    await is_done.wait()
    return outcome.result()


def _is_trio_closed(token: Any) -> bool:
    try:
        token.run_sync_soon(_always, idempotent=True)
    except sys.modules["trio"].RunFinishedError:
        return True
    return False


def _fulfil(outcome: _Outcome[Any], call: Callable[[], Any], is_left: Callable[[], bool]) -> None:
    try:
        outcome.set_result(_call_unless_left(call, is_left))
    except BaseException as error:  # noqa: BLE001 - the awaiting caller gets any exception
        outcome.set_exception(error)
        del outcome  # the exception refers to this frame: do not refer back to it
