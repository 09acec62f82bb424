"""Keywright for every WSGI application: a middleware that authenticates each request, and key management to be mounted.

Servers differ in what they keep of a request. Take one that tells the target as it came (``REQUEST_URI`` or ``RAW_URI``) and drops
headers with underscores in their names, which WSGI cannot tell from others: gunicorn and waitress do both.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

from keywright._native import Keywright, Lease, Response
from keywright.aio import AsyncKeywright
from keywright.http import LARGEST_BODY, LARGEST_KEPT, LARGEST_ONCE, SyncHttp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["KeywrightMiddleware", "Management"]

# A target that no rule and no route knows.
UNREADABLE = b"*"

# In which a proxy says what it asks about. A server joins lines of one name with a comma, and two must not pass for one.
TOLD = ("HTTP_X_ORIGINAL_URI", "HTTP_X_FORWARDED_URI")


class KeywrightMiddleware:
    """Lets a request through when its key, or the rule of its route, allows it, and answers it otherwise.

    The application finds what is known of it in ``environ["keywright"]``, a ``Passed``. Every response gets the contract's headers,
    those of errors as well; only what a server itself answers after a crash has none.

    keywright: a ``Keywright``, or an ``AsyncKeywright``, which opens with the first request.
    options: those of ``Keywright.http``; wrong ones are refused here.
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

    def _keeping(self, lease: Lease, environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
        """Has a request done once: its answer is kept before the last of it is sent."""
        status, headers, kept = 500, list[tuple[str, str]](), bytearray()
        parts: Any = ()
        is_ended = False

        def noting(line: str, theirs: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal status, headers
            status, headers = int(line[:3]), theirs
            write = start(line, theirs, exc_info)

            def writing(part: bytes) -> object:
                kept.extend(part[: LARGEST_KEPT + 1 - len(kept)])
                return write(part)

            return writing

        try:
            parts, held = self.app(environ, noting), b""
            for part in parts:
                yield held
                kept += part[: LARGEST_KEPT + 1 - len(kept)]
                held = part
            is_ended = True
            self.http.finish(lease, status, headers, bytes(kept))
            yield held
        finally:
            if not is_ended:
                self.http.release(lease)
            if hasattr(parts, "close"):
                parts.close()


class Management:
    """Key management as a WSGI application, to be mounted where it belongs.

    keywright: a ``Keywright``, an ``AsyncKeywright``, or the ``SyncHttp`` of another adapter with its options.
    principal: your own function from the environ of a request to a dict of ``org``, ``actor`` and ``may`` for whoever you know; None
        leaves it to the session token or key that the request presents.
    options: those of ``Keywright.http``.
    """

    def __init__(
        self,
        keywright: Keywright | AsyncKeywright | SyncHttp,
        principal: Callable[[WSGIEnvironment], Any] | None = None,
        **options: Any,
    ) -> None:
        self.http: SyncHttp = keywright if isinstance(keywright, SyncHttp) else SyncHttp(keywright, **options)
        self.principal = principal

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request."""
        session = self.principal(environ) if self.principal is not None else None
        content = body(environ)
        if content is None:
            return broken_off(start_response)
        method, _, headers, peer = parts(environ)
        return respond(start_response, self.http.manage(method, target(environ)[1], headers, peer, content, session))


def parts(environ: WSGIEnvironment) -> tuple[str, bytes, list[tuple[bytes, bytes]], str | None]:
    """Method, target, headers and peer of a request, as the contract takes them."""
    return environ["REQUEST_METHOD"], target(environ)[0], list(_lines(environ)), environ.get("REMOTE_ADDR") or None


def target(environ: WSGIEnvironment) -> tuple[bytes, bytes]:
    """The target as it came, and its part below the place where the application is mounted.

    It counts only where it is what the application sees, merely encoded. A server that keeps nothing else has it encoded anew: then
    the application cannot tell the spellings apart either.
    """
    mount, path, query = (environ.get(name, "").encode("latin-1") for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"))
    query = b"?" + query if query else b""
    given = environ.get("REQUEST_URI", environ.get("RAW_URI"))
    if given is None:
        below = quote(path, safe="/!$&'()*+,;=:@").encode()
        return quote(mount).encode() + below + query, below + query
    # It may name the host as well (RFC 9112, section 3.2.2).
    whole = re.sub("^https?://[^/?]*", "", given).partition("?")[0].encode("latin-1")
    below = whole.removeprefix(mount)
    if unquote_to_bytes(below) != path:
        return UNREADABLE, UNREADABLE
    return whole + query, below + query


def body(environ: WSGIEnvironment, largest: int = LARGEST_BODY) -> bytes | None:
    """The body, up to the first byte that is too many; None where it breaks off, since its beginning may say something else."""
    length = environ.get("CONTENT_LENGTH") or ""
    wanted = largest + 1
    if length:
        wanted = min(int(length), wanted)
    elif not environ.get("wsgi.input_terminated"):
        # Without a length nobody knows where it ends.
        return None if "HTTP_TRANSFER_ENCODING" in environ else b""
    read = bytearray()
    try:
        while len(read) < wanted and (part := environ["wsgi.input"].read(wanted - len(read))):
            read += part
    except Exception:  # noqa: BLE001 - each server has errors of its own for what did not come whole
        return None
    return bytes(read) if len(read) == wanted or not length else None


def broken_off(start_response: StartResponse) -> Iterable[bytes]:
    """Answers a request whose body did not come whole, if anybody still listens."""
    start_response("400 Bad Request", [("content-length", "0")])
    return []


def respond(start_response: StartResponse, response: Response) -> Iterable[bytes]:
    """Sends a whole response."""
    headers = [(name.decode(), value.decode()) for name, value in response.headers]
    if response.body:
        headers.append(("content-length", str(len(response.body))))
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
    return [response.body]


def _lines(environ: WSGIEnvironment) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            for line in re.split(r",(?=\s*/)", value) if name in TOLD else [value]:
                yield name[5:].replace("_", "-").encode("latin-1"), line.encode("latin-1")
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").encode(), value.encode("latin-1")
