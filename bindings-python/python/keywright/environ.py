"""Reads target, header lines and body of a request from a WSGI environ, for the HTTP contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from keywright.http import LARGEST_BODY, UNIX, Target

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["UNREADABLE", "body", "parts", "target"]

Decode = Callable[[bytes], bytes]

# A target that matches no rule and no route.
UNREADABLE: bytes = b"*"

# Values that servers set instead of an address for a Unix socket: gunicorn, cheroot and granian; waitress; werkzeug.
ON_UNIX = ("", "localhost", "<local>")

# Headers in which a proxy names the request that it asks about. Servers join repeated headers with a comma: two lines must not pass
# for one.
TOLD = ("HTTP_X_ORIGINAL_URI", "HTTP_X_FORWARDED_URI")


def parts(environ: WSGIEnvironment, decode: Decode = unquote_to_bytes) -> tuple[str, bytes | Target, list[tuple[bytes, bytes]], str | None]:
    """Returns method, target, headers and peer of a request for the contract. WSGI routes by the target below the mount path."""
    address = environ.get("REMOTE_ADDR")
    peer = UNIX if address in ON_UNIX else address
    return environ["REQUEST_METHOD"], _routed(environ, decode), list(_lines(environ)), peer


def _routed(environ: WSGIEnvironment, decode: Decode) -> bytes | Target:
    below, mount = target(environ, decode)[1], environ.get("SCRIPT_NAME", "")
    if below == UNREADABLE:
        path, query = (_bytes(environ.get(name, "")) for name in ("PATH_INFO", "QUERY_STRING"))
        return Target(_quoted(path) + (b"?" + query if query else b""), rewritten=True)
    if not below.startswith(b"/"):
        # The path below the mount is empty, which routers treat as its root.
        below = b"/" + below
    # A server that takes the mount path from a header also passes that header on.
    is_claimed = mount and mount in environ.get("HTTP_SCRIPT_NAME", "")
    return Target(below, mount=mount) if is_claimed else below


def target(environ: WSGIEnvironment, decode: Decode = unquote_to_bytes) -> tuple[bytes, bytes]:
    """Returns the original target and its part below the mount path.

    The original target counts only if it is an encoding of the path that the application sees. If the server does not keep it, the path
    is encoded again: the application cannot tell the spellings apart either.

    decode: the function by which the application decodes the part below the mount path.
    """
    mount, path, query = (_bytes(environ.get(name, "")) for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"))
    query = b"?" + query if query else b""
    given = environ.get("REQUEST_URI", environ.get("RAW_URI"))
    if given is None:
        below = _quoted(path)
        return quote(mount).encode() + below + query, below + query
    # The target may contain the host (RFC 9112, section 3.2.2).
    whole = _bytes(re.sub("^https?://[^/?]*", "", given).partition("?")[0])
    # If the host mounts the application and the server does not, the mount path need not be in the target.
    for below in (whole.removeprefix(mount), whole):
        if decode(below) == path:
            return whole + query, below + query
    if decode(b"/" + whole.lstrip(b"/")) == path:
        # Waitress drops slashes at the start. Rules refuse such a path, as they do behind every other server.
        return whole + query, whole + query
    return UNREADABLE, UNREADABLE


def _quoted(path: bytes) -> bytes:
    return quote(path, safe="/!$&'()*+,;=:@").encode()


def body(environ: WSGIEnvironment, largest: int = LARGEST_BODY) -> bytes | None:
    """Returns the body, up to one byte beyond the limit; None if it breaks off, since its start may mean something else."""
    length = environ.get("CONTENT_LENGTH") or ""
    wanted = largest + 1
    if length:
        wanted = min(int(length), wanted)
    elif not environ.get("wsgi.input_terminated"):
        # Without a length, the end of the body is unknown.
        return None if "HTTP_TRANSFER_ENCODING" in environ else b""
    read = bytearray()
    try:
        while len(read) < wanted and (part := environ["wsgi.input"].read(wanted - len(read))):
            read += part
    except Exception:  # noqa: BLE001 - each server has its own errors for an incomplete body
        return None
    return bytes(read) if len(read) == wanted or not length else None


def _lines(environ: WSGIEnvironment) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            for line in re.split(r",(?=\s*/)", value) if name in TOLD else [value]:
                yield _bytes(name[5:].replace("_", "-")), _bytes(line)
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").encode(), _bytes(value)


def _bytes(text: str) -> bytes:
    """Returns the bytes of text in the environ: Latin-1 (PEP 3333), unless a middleware has decoded it as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
