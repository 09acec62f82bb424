"""Keywright for any ASGI application: a middleware that authenticates each request, and key management to mount."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from keywright._native import AuthContext, Keywright, Response, _request_id
from keywright.aio import AsyncKeywright
from keywright.http import LARGEST_BODY, AsyncHttp
from keywright.once import Body, BrokenOff, start_idempotent
from keywright.scope import Scope, configured_mount, parts, target_below

__all__ = ["HeadersMiddleware", "KeywrightMiddleware", "Management"]

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

REPLAYED = b"idempotent-replayed"
REFUSED = b"x-keywright-refused"
"""Marks a response that the response of the contract replaces."""


class KeywrightMiddleware:
    """Lets a request through if its key, or the rule of its route, allows it, and responds to it otherwise.

    The application reads the pass, an ``AuthContext``, from ``scope["state"]["keywright"]``; in Starlette and FastAPI that is
    ``request.state.keywright``. Every response gets the headers of the contract, including errors, but not the response of the server
    itself after a crash.

    When the server ends the application's lifespan, the counters are written and events delivered.

    keywright: a ``Keywright`` or an ``AsyncKeywright``.
    options: the options of ``Keywright.http``. Wrong ones raise here.
    """

    def __init__(self, app: App, keywright: Keywright | AsyncKeywright, **options: Any) -> None:
        self.app = app
        self.http: AsyncHttp = AsyncHttp(keywright, **options)
        self._mount: str = configured_mount(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if not _has_requests(scope):
            await self.app(scope, receive, _flushing(self.http, send))
            return
        state = _state(scope)
        answer = await self.http.authenticate(*parts(scope, self._mount), None, state.get("keywright"))
        if isinstance(answer, Response):
            await respond(scope, receive, send, answer)
            return
        state["keywright"] = answer
        if answer.once:
            receive = _buffered(state, receive)
            try:
                repeated = await start_idempotent(self.http, answer, state)
            except BrokenOff:
                return
            if repeated is not None:
                await respond(scope, receive, send, repeated)
                return
        await _serve(self.app, scope, receive, send)


class HeadersMiddleware:
    """Adds the headers of the contract to every response of a request that an inner guard let through, including errors.

    The response to a request that no guard has authenticated only gets an ``X-Request-Id``. A WebSocket that an inner guard refuses gets
    the response of the contract.

    http: the contract of the inner guards. Its engine is flushed when the lifespan of the application ends.
    """

    def __init__(self, app: App, http: AsyncHttp | None = None) -> None:
        self.app = app
        self.http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if not _has_requests(scope):
            await self.app(scope, receive, send if self.http is None else _flushing(self.http, send))
            return
        state = _state(scope)
        # The rules are those of this application, also for applications that it mounts.
        state["keywright_mount"] = scope.get("root_path", "")
        if scope["type"] == "http" and any(name.lower() == b"idempotency-key" for name, _ in scope["headers"]):
            # An inner guard may treat the request as idempotent, but does not see its body.
            receive = _buffered(state, receive)
        with suppress(BrokenOff):
            await _serve(self.app, scope, receive, send)


def _flushing(http: AsyncHttp, send: Send) -> Send:
    """Flushes the engine before the server learns that a lifespan is over: some end their process right then (uvicorn)."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            await http.flush()
        await send(message)

    return sending


def _has_requests(scope: Scope) -> bool:
    """Tells whether a connection has requests to authenticate. Raises for an unknown type, which nothing would authenticate."""
    if scope["type"] in ("http", "websocket"):
        return True
    if scope["type"] == "lifespan":
        return False
    raise ValueError(f"the scope type {scope['type']!r} is not known to Keywright, which lets http, websocket and lifespan through")


def _state(scope: Scope) -> MutableMapping[str, Any]:
    """Returns the state of this request: some servers share one state between all requests of a connection."""
    if "keywright" not in scope:
        shared: MutableMapping[str, Any] = scope.get("state") or {}
        scope["state"] = {name: it for name, it in shared.items() if not name.startswith("keywright")}
        scope["keywright"] = True
    state: MutableMapping[str, Any] = scope["state"]
    return state


def _buffered(state: MutableMapping[str, Any], receive: Receive) -> Receive:
    """Wraps ``receive`` so that the start of the body is kept."""
    body = state["keywright_body"] = Body(receive)
    return body.receive


async def _serve(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Runs the application, adds the headers of the contract, and stores the response of an idempotent request."""
    state: MutableMapping[str, Any] = scope["state"]
    is_accepted = is_refused = False

    async def sending(message: MutableMapping[str, Any]) -> None:
        nonlocal is_accepted, is_refused
        context, refusal = state.get("keywright"), state.get("keywright_refusal")
        kind = message["type"]
        if kind == "websocket.accept":
            is_accepted = True
        elif is_accepted and kind == "websocket.close":
            # An accepted WebSocket is closed with the reason of the application.
            refusal = None
        if refusal is not None and (is_refused or _replaces(message, refusal)):
            if not is_refused:
                is_refused = True
                await (_close(send) if is_accepted else _answer(scope, send, refusal, _replacement_headers(message, refusal)))
            return
        if context is not None:
            add_headers(message, context)
        elif kind == "http.response.start":
            _add_id(message, scope)
        await send(message)

    if "keywright_body" not in state:
        await app(scope, receive, sending)
        return

    # Only the outermost middleware stores the response.
    is_outermost = state.setdefault("keywright_serves", app) is app

    async def keeping(message: MutableMapping[str, Any]) -> None:
        idempotent = state.get("keywright_idempotent") if is_outermost else None
        await (sending(message) if idempotent is None else idempotent.send(message, sending))

    # These extensions would send bodies past this middleware.
    past = ("http.response.pathsend", "http.response.zerocopysend", "http.response.trailers")
    extensions: dict[str, Any] = scope.get("extensions") or {}
    scope["extensions"] = {name: it for name, it in extensions.items() if name not in past}
    try:
        await app(scope, receive, keeping)
    finally:
        if is_outermost and "keywright_idempotent" in state:
            await state["keywright_idempotent"].release()


class Management:
    """Key management as an ASGI application, to mount under a path; with the option ``path``, around another application.

    keywright: a ``Keywright``, an ``AsyncKeywright``, or the ``AsyncHttp`` of another adapter with its options.
    principal: a function of yours, async or not, that takes the scope of a request and returns a dict of ``org``, ``actor`` and ``may`` for
        its caller. Without it, or when it returns None, the session token or key of the request counts.
    app: the application for all other requests, if management has a ``path`` among the routes of an API.
    options: the options of ``Keywright.http``.
    """

    def __init__(
        self,
        keywright: Keywright | AsyncKeywright | AsyncHttp,
        principal: Callable[[Scope], Any] | None = None,
        app: App | None = None,
        **options: Any,
    ) -> None:
        self.http: AsyncHttp = keywright if isinstance(keywright, AsyncHttp) else AsyncHttp(keywright, **options)
        self.principal = principal
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        has_requests = _has_requests(scope)
        if self.app is not None and not (scope["type"] == "http" and self.http.manages(target_below(scope))):
            await self.app(scope, receive, send)
            return
        if not has_requests:
            return
        session = self.principal(scope) if self.principal is not None else None
        session = await session if inspect.isawaitable(session) else session
        body = await _body(receive)
        if body is None:
            return
        method, _, headers, peer = parts(scope)
        await respond(scope, receive, send, await self.http.manage(method, target_below(scope), headers, peer, body, session))


def auth_context(scope: Scope) -> AuthContext | None:
    """Returns the context of a request that an earlier guard let through."""
    found: AuthContext | None = scope.get("state", {}).get("keywright")
    return found


def add_headers(message: MutableMapping[str, Any], context: AuthContext) -> None:
    """Adds the headers of the contract to a message that starts a response, and leaves other messages alone."""
    if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
        theirs = list(message.get("headers") or ())
        message["headers"] = theirs + context.lacking(theirs)


def _length(response: Response) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(len(response.body)).encode())] if response.body else []


def _replaces(message: MutableMapping[str, Any], refusal: Response) -> bool:
    """Tells whether a message starts a response that the framework made of a refusal. A repeated response is never replaced."""
    if message["type"] in ("websocket.close", "websocket.http.response.start"):
        return True
    if message["type"] != "http.response.start":
        return False
    theirs: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    is_repeat = any(name == REPLAYED for name, _ in refusal.headers)
    return any(name == REFUSED for name, _ in theirs) or (is_repeat and all(name != REPLAYED for name, _ in theirs))


def _replacement_headers(message: MutableMapping[str, Any], refusal: Response) -> list[tuple[bytes, bytes]]:
    """Returns the headers of a refusal and those that others, such as a CORS layer, have added to the response that it replaces."""
    theirs: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    ours = {name for name, _ in refusal.headers if name != b"vary"} | {REFUSED}
    more = [(name, it) for name, it in theirs if name.lower() not in ours and not name.lower().startswith(b"content-")]
    return [*refusal.headers, *more, *_length(refusal)]


def _add_id(message: MutableMapping[str, Any], scope: Scope) -> None:
    """Adds a request id to a message that starts a response to a request without authentication."""
    theirs: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    if not any(name.lower() == b"x-request-id" for name, _ in theirs):
        message["headers"] = [*theirs, (b"x-request-id", _request_id(scope["headers"]).encode())]


async def respond(scope: Scope, receive: Receive, send: Send, response: Response) -> None:  # noqa: ARG001 - an application
    """Sends a complete response. A WebSocket is refused with it if the server supports that, else closed."""
    await _answer(scope, send, response, [*response.headers, *_length(response)])


async def _answer(scope: Scope, send: Send, response: Response, headers: list[tuple[bytes, bytes]]) -> None:
    kind = "http" if scope["type"] == "http" else "websocket.http"
    if kind == "http" or "websocket.http.response" in (scope.get("extensions") or {}):
        await send({"type": f"{kind}.response.start", "status": response.status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": response.body})
    else:
        await _close(send)


async def _close(send: Send) -> None:
    """Closes a WebSocket. The server refuses one that is not accepted yet with 403."""
    await send({"type": "websocket.close", "code": 1008})


async def _body(receive: Receive) -> bytes | None:
    """Returns the body, up to one byte beyond the limit; None if it breaks off, since its start may mean something else."""
    body = bytearray()
    while len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(body[: LARGEST_BODY + 1])
