"""Verification for asyncio and trio: on the caller's thread when memory holds the answer, else on another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from keywright._native import Config, Decision, Key, Keywright, PendingVerification, Unopened
from keywright.engine import Handle, LazyEngine

__all__ = ["AsyncVerifier"]


class AsyncVerifier(Handle):
    """A handle that verifies: an engine, or one of its orgs."""

    def __init__(self, engine: LazyEngine, find: Callable[[Keywright], Any]) -> None:
        super().__init__(engine, find)
        self._verifier: Any = None

    async def verify(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | Sequence[str] | AbstractSet[str] | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
        operation: str | None = None,
        cost: int | None = None,
        agent: str | None = None,
    ) -> Decision:
        """Verifies the text of a key; see ``Keywright.verify``. Trouble in the store is a decision and no exception."""
        verifier = self._verifier or await self._open()
        answer = verifier._begin_verify(text, scopes, method, ip, environment, operation, cost, agent)
        return await self._engine.threads.run(answer.wait) if type(answer) is PendingVerification else answer

    async def authenticate(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | Sequence[str] | AbstractSet[str] | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
        operation: str | None = None,
        cost: int | None = None,
        agent: str | None = None,
    ) -> Key:
        """Verifies like ``verify`` and returns the key, or raises ``Denied``; see ``Keywright.authenticate``."""
        verifier = self._verifier or await self._open()
        answer = verifier._begin_authenticate(text, scopes, method, ip, environment, operation, cost, agent)
        return await self._engine.threads.run(answer.wait) if type(answer) is PendingVerification else answer

    async def _open(self) -> Any:
        engine: Any = self._engine.engine
        if engine is None:
            engine = await self._engine.run(lambda opened: opened, Config.open_to_verify)
        if isinstance(engine, Unopened):
            return engine  # for this call only: the next call tries again
        self._verifier = self._find(engine)
        return self._verifier
