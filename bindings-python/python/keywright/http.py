"""The HTTP contract for adapters: the parts of a request in, a pass or a complete response out."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from keywright._native import (
    AgentUsage,
    AuditCheck,
    AuditEntry,
    AuditHead,
    AuthContext,
    Decision,
    Event,
    Http,
    HttpConfig,
    Key,
    Keywright,
    Lease,
    Limit,
    LimitState,
    Needs,
    OrgRecord,
    Page,
    Parsed,
    PendingResponse,
    Quota,
    QuotaState,
    Response,
    Secret,
    Target,
)
from keywright.engine import AsyncEngine, LazyEngine
from keywright.errors import Closed, Unavailable
from keywright.threads import Threads

__all__ = [
    "BY_RULE",
    "LARGEST_BODY",
    "LARGEST_KEPT",
    "LARGEST_ONCE",
    "RECORDS",
    "UNIX",
    "AsyncHttp",
    "AuthContext",
    "Http",
    "Lease",
    "Needs",
    "Response",
    "SyncHttp",
    "Target",
    "listed",
    "needed",
    "place",
]

RECORDS: tuple[type[Any], ...] = (
    AgentUsage,
    AuditCheck,
    AuditEntry,
    AuditHead,
    Decision,
    Event,
    Key,
    Limit,
    LimitState,
    OrgRecord,
    Page,
    Parsed,
    Quota,
    QuotaState,
    Secret,
)
"""Records that a route may return: ``dict(record)`` is plain data."""

LARGEST_BODY: int = 65_536
"""The longest body of a management request, in bytes. An adapter may stop reading at the first byte beyond it and pass on that much."""

LARGEST_ONCE: int = 1_048_576
"""The longest body of an idempotent request, in bytes; likewise."""

LARGEST_KEPT: int = 65_536
"""The longest body of a stored response, in bytes; likewise."""

UNIX: str = "unix:"
"""The peer of a request on a Unix socket."""


class _Contract:
    """The contract of an engine that may open later. The options are checked at once."""

    __slots__ = ("_config", "_engine", "_http", "_lazy", "_threads")

    def __init__(self, keywright: Keywright | AsyncEngine, **options: Any) -> None:
        self._http: Http | None = None
        self._engine: Keywright | None = None
        if isinstance(keywright, Keywright):
            self._engine = keywright
            self._http = keywright.http(**options)
            self._threads: Threads = Threads()
        else:
            self._lazy: LazyEngine = keywright._engine
            self._config: HttpConfig = HttpConfig(self._lazy.config, **options)
            self._threads = self._lazy.threads

    def manages(self, target: bytes) -> bool:
        """Tells whether management serves a target; see ``Http.manages``."""
        return (self._http or self._config).manages(target)

    def needs(self, scopes: str | list[str] | None = None, **needs: Any) -> Needs:
        """Reads needs like ``needed``, and raises if no request could meet them."""
        wanted = needed(scopes, **needs)
        if wanted is not BY_RULE:
            (self._http or self._config).check(wanted)
        return wanted

    def _flush(self) -> None:
        engine: Keywright | None = self._engine or self._lazy.engine
        if engine is not None:
            # The process ends even if the store is unavailable or the host has closed it.
            with suppress(Unavailable, Closed):
                engine.flush()
            engine._flush_events()


class SyncHttp(_Contract):
    """The contract for threaded servers, of a ``Keywright`` or an ``AsyncKeywright``, which may open later."""

    __slots__ = ()

    def authenticate(
        self,
        method: str,
        target: bytes | Target,
        headers: Any,
        peer: str | None,
        needs: Needs | None = None,
        earlier: AuthContext | None = None,
    ) -> AuthContext | Response:
        """Authenticates a request; see ``Http.authenticate``."""
        try:
            http = self._http or self._open()
        except (Unavailable, Closed):
            return self._config.unavailable(method, target, headers)
        return http.authenticate(method, target, headers, peer, needs, earlier)

    def manage(self, method: str, target: bytes, headers: Any, peer: str | None, body: bytes, session: Any = None) -> Response:
        """Handles a management request; see ``Http.manage``."""
        try:
            http = self._http or self._open()
        except (Unavailable, Closed):
            return self._config.unavailable(method, target, headers)
        return http.manage(method, target, headers, peer, body, session)

    def once(self, context: AuthContext, body: bytes) -> Lease | Response | None:
        """Starts an idempotent request; see ``Http.once``."""
        return (self._http or self._open()).once(context, body)

    def finish(self, lease: Lease, status: int, headers: Any, body: bytes) -> None:
        """Ends a lease with the response of the host, which goes out even if it cannot be stored; see ``Http.finish``."""
        with suppress(Unavailable, Closed):
            (self._http or self._open()).finish(lease, status, headers, body)

    def release(self, lease: Lease) -> None:
        """Ends a lease without a response; see ``Http.release``. It expires by itself if the store cannot be reached."""
        with suppress(Unavailable, Closed):
            (self._http or self._open()).release(lease)

    def explain(
        self, method: str, target: bytes | Target, headers: Any, peer: str | None = None, needs: Needs | None = None
    ) -> dict[str, Any]:
        """Explains the address of a request and why it is refused, with the nearest fix. Counts nothing."""
        return (self._http or self._open()).explain(method, target, headers, peer, needs)

    def _open(self) -> Http:
        self._http = http = self._config.open(self._lazy.opened())
        return http


class AsyncHttp(_Contract):
    """The contract for asyncio and trio, of a ``Keywright`` or an ``AsyncKeywright``, which may open later."""

    __slots__ = ()

    async def authenticate(
        self,
        method: str,
        target: bytes | Target,
        headers: Any,
        peer: str | None,
        needs: Needs | None = None,
        earlier: AuthContext | None = None,
    ) -> AuthContext | Response:
        """Authenticates a request; see ``Http.authenticate``. It runs on this thread when memory has the answer, else on another."""
        http = self._http
        if http is None:
            try:
                http = await self._open()
            except (Unavailable, Closed):
                return self._config.unavailable(method, target, headers)
        answer = http._begin(method, target, headers, peer, needs, earlier)
        return await self._threads.run(answer.wait) if isinstance(answer, PendingResponse) else answer

    async def manage(self, method: str, target: bytes, headers: Any, peer: str | None, body: bytes, session: Any = None) -> Response:
        """Handles a management request; see ``Http.manage``."""
        try:
            http = await self._open()
        except (Unavailable, Closed):
            return self._config.unavailable(method, target, headers)
        answer = http._begin_manage(method, target, headers, peer, body, session)
        return cast("Response", await self._threads.run(answer.wait)) if isinstance(answer, PendingResponse) else answer

    async def once(self, context: AuthContext, body: bytes) -> Lease | Response | None:
        """Starts an idempotent request; see ``Http.once``."""
        http = await self._open()
        return await self._threads.run(lambda: http.once(context, body))

    async def finish(self, lease: Lease, status: int, headers: Any, body: bytes) -> None:
        """Ends a lease with the response of the host, which goes out even if it cannot be stored; see ``Http.finish``."""
        http = await self._open()
        with suppress(Unavailable, Closed):
            await self._threads.run(lambda: http.finish(lease, status, headers, body))

    async def release(self, lease: Lease) -> None:
        """Ends a lease without a response; see ``Http.release``. It expires by itself if the store cannot be reached."""
        http = await self._open()
        with suppress(Unavailable, Closed):
            await self._threads.run(lambda: http.release(lease))

    async def flush(self) -> None:
        """Writes the counters and delivers events: a server may end its process without the exit hooks of Python."""
        with suppress(Closed):
            await self._threads.run(self._flush)

    async def explain(
        self, method: str, target: bytes | Target, headers: Any, peer: str | None = None, needs: Needs | None = None
    ) -> dict[str, Any]:
        """Explains the address of a request and why it is refused, with the nearest fix. Counts nothing."""
        http = await self._open()
        return await self._threads.run(lambda: http.explain(method, target, headers, peer, needs))

    async def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI 3.1 document of the management endpoints; see ``Http.openapi``."""
        return (await self._open()).openapi()

    async def _open(self) -> Http:
        http = self._http
        if http is None:
            self._http = http = cast("Http", await self._lazy.run(self._config.open))
        return http


BY_RULE: Needs = Needs(access="rule")
"""The needs of a guard on one route that applies the rule of the path."""


def needed(scopes: str | list[str] | None = None, **needs: Any) -> Needs:
    """Makes the needs of a route, see ``Needs``; ``BY_RULE`` without arguments."""
    given: dict[str, Any] = needs if scopes is None else {**needs, "scopes": scopes}
    return Needs(**given) if given else BY_RULE


def place(header: str | None) -> tuple[str, str]:
    """Returns the security scheme of an OpenAPI document: ``http`` with a scheme of ``Authorization``, or ``apiKey`` with a header."""
    name, _, scheme = (header or "Authorization: Bearer").partition(":")
    return ("http", scheme.strip().lower()) if scheme else ("apiKey", name)


def listed(scopes: str | list[str] | None) -> list[str]:
    """Returns scopes as a list."""
    return scopes.replace(",", " ").split() if isinstance(scopes, str) else list(scopes or ())
