"""Keywright for every WSGI application: a middleware that authenticates each request, and key management to be mounted.

Servers differ in what they keep of a request. Take one that tells the target as it came (``REQUEST_URI`` or ``RAW_URI``) and drops
headers with underscores in their names, which WSGI cannot tell from others: gunicorn and waitress do both.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from http.client import responses
from typing import TYPE_CHECKING, Any

from keywright._native import Keywright, Lease, Response
from keywright.aio import AsyncKeywright
from keywright.environ import body, parts, target
from keywright.http import LARGEST_KEPT, LARGEST_ONCE, SyncHttp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["KeywrightMiddleware", "Management"]


class KeywrightMiddleware:
    """Lets a request through if its key, or the rule of its route, allows it, and responds to it otherwise.

    The application reads the pass, an ``AuthContext``, from ``environ["keywright"]``. Every response gets the headers of the contract,
    including errors, but not the response of the server itself after a crash.

    keywright: a ``Keywright``, or an ``AsyncKeywright``, which opens with the first request.
    options: the options of ``Keywright.http``. Wrong ones raise here.
    """

    def __init__(self, app: WSGIApplication, keywright: Keywright | AsyncKeywright, **options: Any) -> None:
        self.app = app
        self.http: SyncHttp = SyncHttp(keywright, **options)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request."""
        answer = self.http.authenticate(*parts(environ), earlier=environ.get("keywright"))
        if isinstance(answer, Response):
            return respond(start_response, answer)
        environ["keywright"] = answer
        lease = None
        if answer.once:
            content = body(environ, LARGEST_ONCE)
            if content is None:
                return broken_off(start_response)
            environ["wsgi.input"] = io.BytesIO(content)
            turn = self.http.once(answer, content)
            if isinstance(turn, Response):
                return respond(start_response, turn)
            lease = turn

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            added = ((name.decode(), value.decode()) for name, value in answer.lacking(headers))
            return start_response(status, [*headers, *added], exc_info)

        return self.app(environ, start) if lease is None else self._keeping(lease, environ, start)

    def _keeping(self, lease: Lease, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """Runs an idempotent request. Its response is stored before the end of it is sent."""
        status, headers, kept = 500, list[tuple[str, str]](), bytearray()

        def note(part: bytes) -> None:
            kept.extend(part[: LARGEST_KEPT + 1 - len(kept)])

        def noting(line: str, theirs: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status, headers
            status, headers = int(line[:3]), theirs
            write = start(line, theirs, exc_info)

            def writing(part: bytes) -> object:
                note(part)
                return write(part)

            return writing

        def streaming(parts: Any) -> Iterator[bytes]:
            is_ended, held = False, b""
            try:
                for part in parts:
                    if held:
                        # Nothing earlier: servers send the head with it, and the head of an empty response is all of it.
                        yield held
                    note(part)
                    held = part
                is_ended = True
                self.http.finish(lease, status, headers, bytes(kept))
                yield held
            finally:
                if not is_ended:
                    self.http.release(lease)
                if hasattr(parts, "close"):
                    parts.close()

        try:
            parts = self.app(environ, noting)
            if not isinstance(parts, (list, tuple)):
                return streaming(parts)
            for part in parts:
                note(part)
        except BaseException:
            self.http.release(lease)
            raise
        self.http.finish(lease, status, headers, bytes(kept))
        # Servers send the length of a list.
        return parts


class Management:
    """Key management as a WSGI application, to mount under a path; with the option ``path``, around another application.

    keywright: a ``Keywright``, an ``AsyncKeywright``, or the ``SyncHttp`` of another adapter with its options.
    principal: a function of yours that takes the environ of a request and returns a dict of ``org``, ``actor`` and ``may`` for its caller.
        Without it, or when it returns None, the session token or key of the request counts.
    app: the application for all other requests, if management has a ``path`` among the routes of an API.
    options: the options of ``Keywright.http``.
    """

    def __init__(
        self,
        keywright: Keywright | AsyncKeywright | SyncHttp,
        principal: Callable[[WSGIEnvironment], Any] | None = None,
        app: WSGIApplication | None = None,
        **options: Any,
    ) -> None:
        self.http: SyncHttp = keywright if isinstance(keywright, SyncHttp) else SyncHttp(keywright, **options)
        self.principal = principal
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request."""
        inside = target(environ)[1]
        if self.app is not None and not self.http.manages(inside):
            return self.app(environ, start_response)
        session = self.principal(environ) if self.principal is not None else None
        content = body(environ)
        if content is None:
            return broken_off(start_response)
        method, _, headers, peer = parts(environ)
        return respond(start_response, self.http.manage(method, inside, headers, peer, content, session))


def broken_off(start_response: StartResponse) -> Iterable[bytes]:
    """Responds to a request with an incomplete body, in case the client still listens."""
    start_response("400 Bad Request", [("content-length", "0")])
    return []


def respond(start_response: StartResponse, response: Response) -> Iterable[bytes]:
    """Sends a complete response."""
    headers = [(name.decode(), value.decode()) for name, value in response.headers]
    if response.body:
        headers.append(("content-length", str(len(response.body))))
    start_response(f"{response.status} {responses.get(response.status, 'Answer')}", headers)
    return [response.body]
