"""An engine that opens on first use and runs its calls on threads: the base of the asyncio interface."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from keywright._native import Config, KeyFormats, Keywright, Unopened
from keywright.errors import Closed, Unavailable
from keywright.threads import Threads

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncEngine", "Handle", "LazyEngine"]


OPENING = 2.0
"""The seconds for which a text that is to be masked waits for the database."""


class LazyEngine:
    """Opens one engine on first use, and runs calls of it on threads."""

    __slots__ = ("closed", "config", "engine", "has_waited", "key_formats", "threads")

    def __init__(self, config: Config) -> None:
        self.config: Config = config
        self.key_formats: KeyFormats = config.key_formats()
        self.engine: Keywright | None = None
        self.closed: bool = False
        self.has_waited: bool = False
        self.threads: Threads = Threads()

    def opened(self, open_engine: Callable[[Config], Any] = Config.open) -> Any:
        """Returns the engine, and opens it if necessary."""
        with self.threads.lock:
            if self.closed:
                raise Closed("this Keywright is closed; open a new one")
            if self.engine is None:
                opened = open_engine(self.config)
                if isinstance(opened, Unopened):
                    return opened  # for this call only: the next call tries again
                self.engine = opened
            return self.engine

    def masking(self) -> Keywright | KeyFormats:
        """Returns what masks keys. It opens a database that is there, and waits for it once, but not for long: a log must go on."""
        if self.engine is None and not self.has_waited and not self.closed and self.config.has_database():
            self.has_waited = True
            self.threads.wait_for(self.opened, OPENING)
        return self.engine or self.key_formats

    async def run(self, call: Callable[[Any], Any], open_engine: Callable[[Config], Any] = Config.open) -> Any:
        """Runs ``call(engine)`` on a thread."""
        if self.closed:
            raise Closed("this Keywright is closed; open a new one")
        return await self.threads.run(lambda: call(self.opened(open_engine)))

    async def close(self, *, past_locks: bool = True) -> None:
        """Closes the engine. With ``past_locks=False`` it does not wait for a lock of another program."""
        if not self.closed:
            with suppress(Unavailable):  # without past_locks: the core closes the engine when the lock is free
                await self.threads.run(self._close, past_locks=past_locks)
            self.threads.stop()

    def _close(self) -> None:
        with self.threads.lock:
            self.closed = True
            if self.engine is not None:
                self.engine.close()


class Handle:
    """A handle of the engine. Each call looks it up again, since the engine may not be open yet."""

    def __init__(self, engine: LazyEngine, find: Callable[[Keywright], Any]) -> None:
        self._engine: LazyEngine = engine
        self._find: Callable[[Keywright], Any] = find

    async def _call(self, method: str, /, *arguments: Any, **fields: Any) -> Any:
        return await self._engine.run(lambda engine: getattr(self._find(engine), method)(*arguments, **fields))


class AsyncEngine:
    """The life of an ``AsyncKeywright``: open, flush, close."""

    _engine: LazyEngine

    async def open(self) -> Self:
        """Opens the database now, if it is not open yet."""
        await self._engine.run(lambda engine: engine)
        return self

    async def flush(self) -> None:
        """Writes the counters to the database. This also happens every second, in ``close``, and when Python exits."""
        if self._engine.engine is not None:
            await self._engine.run(lambda engine: engine.flush())

    async def close(self) -> None:
        """Closes the database. A second call does nothing."""
        await self._engine.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, kind: type[BaseException] | None = None, *exception: object) -> None:
        # A caller that cancels or interrupts the block does not wait for a lock of another program.
        await self._engine.close(past_locks=kind is None or issubclass(kind, Exception))
