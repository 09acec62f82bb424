"""Keywright for every ASGI application: a middleware that authenticates each request, and key management to be mounted."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from keywright._native import Keywright, Passed, Response, _request_id
from keywright.aio import AsyncKeywright
from keywright.http import LARGEST_BODY, UNIX, AsyncHttp, Target
from keywright.once import Body, BrokenOff, begun

__all__ = ["HeadersMiddleware", "KeywrightMiddleware", "Management"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]
Parts: TypeAlias = tuple[str, bytes | Target, Pairs, str | None]

REPLAYED = b"idempotent-replayed"
REFUSED = b"x-keywright-refused"
"""The header of an answer in whose place the contract's goes out."""


class KeywrightMiddleware:
    """Lets a request through when its key, or the rule of its route, allows it, and answers it otherwise.

    The application finds what is known of it in ``scope["state"]["keywright"]``, a ``Passed``; in Starlette and FastAPI that is
    ``request.state.keywright``. Every response gets the contract's headers, those of errors as well; only what a server itself
    answers after a crash has none.

    When the server ends the application's lifespan, what was counted is written down and events are handed out.

    keywright: a ``Keywright`` or an ``AsyncKeywright``.
    options: those of ``Keywright.http``; wrong ones are refused here.
    """

    def __init__(self, app: App, keywright: Keywright | AsyncKeywright, **options: Any) -> None:
        self.app = app
        self.http: AsyncHttp = AsyncHttp(keywright, **options)
        self._mount: str = _configured(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if not _is_judged(scope):
            await self.app(scope, receive, _flushing(self.http, send))
            return
        state = _state(scope)
        answer = await self.http.authenticate(*parts(scope, self._mount), None, state.get("keywright"))
        if isinstance(answer, Response):
            await respond(scope, receive, send, answer)
            return
        state["keywright"] = answer
        if answer.once:
            receive = _looked_at(state, receive)
            try:
                repeated = await begun(self.http, answer, state)
            except BrokenOff:
                return
            if repeated is not None:
                await respond(scope, receive, send, repeated)
                return
        await _serve(self.app, scope, receive, send)


class HeadersMiddleware:
    """Adds the contract's headers to every response of a request that something behind has let in, errors among them.

    Where nothing has judged a request, its response gets an ``X-Request-Id`` and no more. A WebSocket that something behind refuses
    is refused with the contract's answer.

    http: the contract of what guards behind; its engine is flushed when the lifespan of the application ends.
    """

    def __init__(self, app: App, http: AsyncHttp | None = None) -> None:
        self.app = app
        self.http = http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if not _is_judged(scope):
            await self.app(scope, receive, send if self.http is None else _flushing(self.http, send))
            return
        state = _state(scope)
        # Rules are those of this application, also where it has mounted another.
        state["keywright_mount"] = scope.get("root_path", "")
        if scope["type"] == "http" and any(name.lower() == b"idempotency-key" for name, _ in scope["headers"]):
            # What is behind may have it done once, and sees no body.
            receive = _looked_at(state, receive)
        with suppress(BrokenOff):
            await _serve(self.app, scope, receive, send)


def _flushing(http: AsyncHttp, send: Send) -> Send:
    """Flushes the engine before the server hears that a lifespan is over: some end their process right then (uvicorn)."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            await http.flush()
        await send(message)

    return sending


def _is_judged(scope: Scope) -> bool:
    """Whether a connection brings requests, which are judged. One of an unknown type goes nowhere: nothing would judge it."""
    if scope["type"] in ("http", "websocket"):
        return True
    if scope["type"] == "lifespan":
        return False
    raise ValueError(f"the scope type {scope['type']!r} is not known to Keywright, which lets http, websocket and lifespan through")


def _state(scope: Scope) -> MutableMapping[str, Any]:
    """The state of this request alone: some servers share one between all requests of a connection."""
    if "keywright" not in scope:
        shared: MutableMapping[str, Any] = scope.get("state") or {}
        scope["state"] = {name: it for name, it in shared.items() if not name.startswith("keywright")}
        scope["keywright"] = True
    state: MutableMapping[str, Any] = scope["state"]
    return state


def _looked_at(state: MutableMapping[str, Any], receive: Receive) -> Receive:
    """Keeps the beginning of a body, as far as it is read."""
    body = state["keywright_body"] = Body(receive)
    return body.receive


async def _serve(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Has a request answered, with our headers where it was let in, and keeps the answer where that is to be done once."""
    state: MutableMapping[str, Any] = scope["state"]
    is_accepted = is_refused = False

    async def sending(message: MutableMapping[str, Any]) -> None:
        nonlocal is_accepted, is_refused
        passed, refusal = state.get("keywright"), state.get("keywright_refusal")
        is_accepted |= message["type"] == "websocket.accept"
        if is_accepted and message["type"] == "websocket.close":
            # The application says itself why it ends a conversation.
            refusal = None
        if refusal is not None and (is_refused or _stands_for(message, refusal)):
            if not is_refused:
                is_refused = True
                await (_close(send) if is_accepted else _answer(scope, send, refusal, _replaced(message, refusal)))
            return
        if passed is not None:
            add_headers(message, passed)
        elif message["type"] == "http.response.start":
            _add_id(message, scope)
        await send(message)

    if "keywright_body" not in state:
        await app(scope, receive, sending)
        return

    # What stands inside another that looks at the body hands the answer on, which is kept once.
    is_outermost = state.setdefault("keywright_serves", app) is app

    async def keeping(message: MutableMapping[str, Any]) -> None:
        doing = state.get("keywright_doing") if is_outermost else None
        await (sending(message) if doing is None else doing.send(message, sending))

    # These lead bodies past what is seen here.
    past = ("http.response.pathsend", "http.response.zerocopysend", "http.response.trailers")
    extensions: dict[str, Any] = scope.get("extensions") or {}
    scope["extensions"] = {name: it for name, it in extensions.items() if name not in past}
    try:
        await app(scope, receive, keeping)
    finally:
        if is_outermost and "keywright_doing" in state:
            await state["keywright_doing"].release()


class Management:
    """Key management as an ASGI application, to be mounted where it belongs; with the option ``path``, around another.

    keywright: a ``Keywright``, an ``AsyncKeywright``, or the ``AsyncHttp`` of another adapter with its options.
    principal: your own function, awaited where it is async, from the scope of a request to a dict of ``org``, ``actor`` and ``may``
        for whoever you know; None leaves it to the session token or key that the request presents.
    app: who answers everything else, where management has a ``path`` among the routes of an API.
    options: those of ``Keywright.http``.
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
        is_judged = _is_judged(scope)
        if self.app is not None and not (scope["type"] == "http" and self.http.manages(_inside(scope))):
            await self.app(scope, receive, send)
            return
        if not is_judged:
            return
        session = self.principal(scope) if self.principal is not None else None
        session = await session if inspect.isawaitable(session) else session
        body = await _body(receive)
        if body is None:
            return
        method, _, headers, peer = parts(scope)
        await respond(scope, receive, send, await self.http.manage(method, _inside(scope), headers, peer, body, session))


def parts(scope: Scope, mount: str = "", path: str | None = None) -> Parts:
    """Method, target, headers and peer of a request, as the contract takes them.

    mount: where the application itself says that it is mounted; what the server says when left out.
    path: the path that the router gets; the part below the mount when left out.
    """
    query = scope.get("query_string", b"")
    mount = mount or scope.get("root_path", "")
    whole, target = _spelt(scope), None
    if mount or path is not None or whole == UNREADABLE:
        target = _routed(scope, whole, mount, path, query)
    return scope.get("method", "GET"), target or _asked(whole, query), scope["headers"], _peer(scope)


def _asked(path: bytes, query: bytes) -> bytes:
    return path + b"?" + query if query else path


def _peer(scope: Scope) -> str | None:
    """The other end of the socket, None where the server does not tell.

    A client that has gone before its server looked has no address either, but its socket still has a port of ours.
    """
    client, server = scope.get("client"), scope.get("server")
    if client and client[0]:
        return client[0] if client[1] is not None else None
    return UNIX if "client" in scope and not (server and isinstance(server[1], int)) else None


UNREADABLE = b"*"


def _spelt(scope: Scope) -> bytes:
    """The whole path as it came; what is no spelling of the path that the application sees was rewritten on the way."""
    path, raw = scope["path"], scope.get("raw_path")
    if raw is None:
        return _quoted(path)
    # Older frameworks cut what they mount off from the path alone.
    is_same = unquote(raw.decode("latin-1")) in (path, scope.get("root_path", "") + path)
    return raw if is_same else UNREADABLE


def _routed(scope: Scope, whole: bytes, mount: str, path: str | None, query: bytes) -> Target:
    below = path
    if below is None:
        rest = scope["path"].removeprefix(mount)
        below = rest if rest[:1] in ("", "/") else scope["path"]
    for spelt in (whole.removeprefix(mount.encode()), whole):
        if unquote(spelt.decode("latin-1")) == below:
            break
    else:
        spelt = _quoted(below)
    return Target(
        # Nothing is left below the mount, and routers take that for its root.
        _asked(spelt or b"/", query),
        # Nobody knows whether the router of a plain application looks below the mount.
        whole=_asked(whole, query) if path is None and whole not in (spelt, UNREADABLE) else None,
        mount=_claimed(scope),
        rewritten=whole == UNREADABLE,
    )


def _claimed(scope: Scope) -> str | None:
    """The mount that a client may have chosen: Daphne takes it from a header, which it tells nobody."""
    mount: str = scope.get("app_root_path", scope.get("root_path", ""))
    is_own = mount == getattr(scope.get("app"), "root_path", "")
    return mount if mount and not is_own and "daphne.server" in sys.modules else None


def _configured(app: Any) -> str:
    """Where an application itself says that it is mounted, as FastAPI does, behind whatever middleware."""
    while app is not None:
        if mount := getattr(app, "root_path", None):
            return str(mount)
        app = getattr(app, "app", None)
    return ""


def _quoted(path: str) -> bytes:
    return quote(path, safe="/!$&'()*+,;=:@").encode()


def _inside(scope: Scope) -> bytes:
    """The target below the place where an application is mounted, which need not be below the mount of the server."""
    path, query = scope.get("raw_path"), scope.get("query_string", b"")
    path = _quoted(scope["path"]) if path is None else path
    mounted, outer = scope.get("root_path", ""), scope.get("app_root_path", "")
    for mount in (mounted.encode(), mounted.removeprefix(outer).encode()):
        if path.startswith(mount):
            path = path[len(mount) :]
            break
    return _asked(path, query)


def passed(scope: Scope) -> Passed | None:
    """What is known of a request that something before has let in."""
    found: Passed | None = scope.get("state", {}).get("keywright")
    return found


def add_headers(message: MutableMapping[str, Any], passed: Passed) -> None:
    """Adds the contract's headers to the message that begins a response, and nothing to others."""
    if message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
        theirs = list(message.get("headers") or ())
        message["headers"] = theirs + passed.lacking(theirs)


def _length(response: Response) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(len(response.body)).encode())] if response.body else []


def _stands_for(message: MutableMapping[str, Any], refusal: Response) -> bool:
    """Whether it begins what somebody made of a refusal without knowing what it is; a repeat is never made into anything else."""
    if message["type"] in ("websocket.close", "websocket.http.response.start"):
        return True
    if message["type"] != "http.response.start":
        return False
    theirs: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    is_repeat = any(name == REPLAYED for name, _ in refusal.headers)
    return any(name == REFUSED for name, _ in theirs) or (is_repeat and all(name != REPLAYED for name, _ in theirs))


def _replaced(message: MutableMapping[str, Any], refusal: Response) -> list[tuple[bytes, bytes]]:
    """The headers of a refusal, and what others have added to the answer in whose place it goes out, such as for CORS."""
    theirs: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    ours = {name for name, _ in refusal.headers if name != b"vary"} | {REFUSED}
    more = [(name, it) for name, it in theirs if name.lower() not in ours and not name.lower().startswith(b"content-")]
    return [*refusal.headers, *more, *_length(refusal)]


def _add_id(message: MutableMapping[str, Any], scope: Scope) -> None:
    """Adds an id to the message that begins a response that nobody judged."""
    theirs: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
    if not any(name.lower() == b"x-request-id" for name, _ in theirs):
        message["headers"] = [*theirs, (b"x-request-id", _request_id(scope["headers"]).encode())]


async def respond(scope: Scope, receive: Receive, send: Send, response: Response) -> None:  # noqa: ARG001 - an application
    """Sends a whole response; a WebSocket is refused with it where the server can, else closed."""
    await _answer(scope, send, response, [*response.headers, *_length(response)])


async def _answer(scope: Scope, send: Send, response: Response, headers: list[tuple[bytes, bytes]]) -> None:
    kind = "http" if scope["type"] == "http" else "websocket.http"
    if kind == "http" or "websocket.http.response" in (scope.get("extensions") or {}):
        await send({"type": f"{kind}.response.start", "status": response.status, "headers": headers})
        await send({"type": f"{kind}.response.body", "body": response.body})
    else:
        await _close(send)


async def _close(send: Send) -> None:
    """Closes a WebSocket; one that is not accepted yet is refused with 403 by its server."""
    await send({"type": "websocket.close", "code": 1008})


async def _body(receive: Receive) -> bytes | None:
    """The body, up to the first byte that is too many; None where it breaks off, since its beginning may say something else."""
    body = bytearray()
    while len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(body[: LARGEST_BODY + 1])
