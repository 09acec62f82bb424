"""What WSGI keeps of a request: its target, header lines and body, for the contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from keywright.http import LARGEST_BODY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["UNREADABLE", "body", "parts", "target"]

Decode = Callable[[bytes], bytes]

# A target that no rule and no route knows.
UNREADABLE: bytes = b"*"

# In which a proxy says what it asks about. A server joins lines of one name with a comma, and two must not pass for one.
TOLD = ("HTTP_X_ORIGINAL_URI", "HTTP_X_FORWARDED_URI")


def parts(environ: WSGIEnvironment, decode: Decode = unquote_to_bytes) -> tuple[str, bytes, list[tuple[bytes, bytes]], str | None]:
    """Method, target, headers and peer of a request, as the contract takes them; see ``target``."""
    return environ["REQUEST_METHOD"], target(environ, decode)[0], list(_lines(environ)), environ.get("REMOTE_ADDR") or None


def target(environ: WSGIEnvironment, decode: Decode = unquote_to_bytes) -> tuple[bytes, bytes]:
    """The target as it came, and its part below the place where the application is mounted.

    It counts only where it is what the application sees, merely encoded. A server that keeps nothing else has it encoded anew: then
    the application cannot tell the spellings apart either.

    decode: how the application decodes the part below.
    """
    mount, path, query = (_bytes(environ.get(name, "")) for name in ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"))
    query = b"?" + query if query else b""
    given = environ.get("REQUEST_URI", environ.get("RAW_URI"))
    if given is None:
        below = quote(path, safe="/!$&'()*+,;=:@").encode()
        return quote(mount).encode() + below + query, below + query
    # It may name the host as well (RFC 9112, section 3.2.2).
    whole = _bytes(re.sub("^https?://[^/?]*", "", given).partition("?")[0])
    below = whole.removeprefix(mount)
    if decode(below) != path:
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


def _lines(environ: WSGIEnvironment) -> Iterator[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            for line in re.split(r",(?=\s*/)", value) if name in TOLD else [value]:
                yield _bytes(name[5:].replace("_", "-")), _bytes(line)
        elif name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            yield name.replace("_", "-").encode(), _bytes(value)


def _bytes(text: str) -> bytes:
    """Text of the environ as it came: in Latin-1 (PEP 3333), unless something in front has decoded it as UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
