"""The HTTP contract for asyncio, on which the adapters stand: the parts of a request in, a pass or a whole response out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keywright._native import Answer, Http, HttpConfig, Keywright, Needs, Passed, Response
from keywright.aio import AsyncKeywright
from keywright.errors import Closed, Unavailable
from keywright.threads import Threads

__all__ = ["LARGEST_BODY", "AsyncHttp", "Http", "Needs", "Passed", "Response"]

LARGEST_BODY = 65_536
"""The longest body that management reads; a server may stop at the first byte beyond it, and hand on what it has."""


class AsyncHttp:
    """``Http`` for asyncio, of a ``Keywright`` or an ``AsyncKeywright``, which may open later; the options are checked at once."""

    __slots__ = ("_config", "_engine", "_http", "_threads")

    def __init__(self, keywright: Keywright | AsyncKeywright, **options: Any) -> None:
        if isinstance(keywright, AsyncKeywright):
            self._engine = keywright
            self._http: Http | None = None
            self._config = HttpConfig(keywright._source.config, **options)
            self._threads = keywright._source.threads
        else:
            self._http = keywright.http(**options)
            self._threads = Threads()

    async def authenticate(self, method: str, target: bytes, headers: Any, peer: str | None, needs: Needs | None = None) -> Passed | Response:
        """Judges a request, see ``Http.authenticate``: on this thread where memory answers, else on another."""
        http = self._http
        if http is None:
            found = await self._opened(method, target, headers)
            if isinstance(found, Response):
                return found
            http = found
        answer = http._begin(method, target, headers, peer, needs)
        return await self._threads.run(answer.wait) if isinstance(answer, Answer) else answer

    async def manage(self, method: str, target: bytes, headers: Any, peer: str | None, body: bytes, session: Any = None) -> Response:
        """Answers a management request, see ``Http.manage``."""
        http = self._http or await self._opened(method, target, headers)
        if isinstance(http, Response):
            return http
        answer = http._begin_manage(method, target, headers, peer, body, session)
        return await self._threads.run(answer.wait) if isinstance(answer, Answer) else answer

    async def explain(self, method: str, target: bytes, headers: Any, peer: str | None = None) -> dict[str, Any]:
        """Says which address a request has and why it is refused, with the nearest fix; nothing is counted for it."""
        if self._http is None:
            await self._engine.open()
            await self._opened(method, target, headers)
        explain: Callable[..., dict[str, Any]] = self._http.explain  # type: ignore[union-attr]
        return await self._threads.run(lambda: explain(method, target, headers, peer))

    async def _opened(self, method: str, target: bytes, headers: Any) -> Http | Response:
        try:
            self._http = self._config.open(await self._engine._source.run(lambda engine: engine))
        except (Unavailable, Closed):
            return self._config.unavailable(method, target, headers)
        return self._http
