"""Reads the parts of a request from an ASGI scope, for the HTTP contract."""

from __future__ import annotations

import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from keywright.http import UNIX, Target

__all__ = ["Parts", "Scope", "configured_mount", "parts", "target_below"]

Scope: TypeAlias = MutableMapping[str, Any]
Pairs: TypeAlias = Iterable[tuple[bytes, bytes]]
Parts: TypeAlias = tuple[str, bytes | Target, Pairs, str | None]


def parts(scope: Scope, mount: str = "", path: str | None = None) -> Parts:
    """Returns method, target, headers and peer of a request for the contract.

    mount: the path at which the application itself is mounted; that of the server when left out.
    path: the path that the router gets; the part below the mount when left out.
    """
    query = scope.get("query_string", b"")
    mount = mount or scope.get("root_path", "")
    whole, target = _original_path(scope), None
    if mount or path is not None or whole == UNREADABLE:
        target = _routed_target(scope, whole, mount, path, query)
    return scope.get("method", "GET"), target or _with_query(whole, query), scope["headers"], _peer(scope)


def _with_query(path: bytes, query: bytes) -> bytes:
    return path + b"?" + query if query else path


def _peer(scope: Scope) -> str | None:
    """Returns the peer of the socket, or None if the server does not tell.

    A client that has left may have no address either, but its socket still has a local port.
    """
    client, server = scope.get("client"), scope.get("server")
    if client and client[0]:
        return client[0] if client[1] is not None else None
    return UNIX if "client" in scope and not (server and isinstance(server[1], int)) else None


UNREADABLE = b"*"
"""The path of a request whose original path is lost."""


def _original_path(scope: Scope) -> bytes:
    """Returns the original path. A path that is no encoding of the path of the application was rewritten, and is unreadable."""
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        return _quote(path)
    text = raw.decode("latin-1")
    if text == path and "%" not in text:
        # Most paths: there is nothing to decode.
        return raw
    # Older frameworks remove the mount path from the path only.
    is_same = unquote(text) in (path, scope.get("root_path", "") + path)
    return raw if is_same else UNREADABLE


def _routed_target(scope: Scope, whole: bytes, mount: str, path: str | None, query: bytes) -> Target:
    below = path
    if below is None:
        rest = scope["path"].removeprefix(mount)
        below = rest if rest[:1] in ("", "/") else scope["path"]
    for spelt in (whole.removeprefix(mount.encode()), whole):
        if unquote(spelt.decode("latin-1")) == below:
            break
    else:
        spelt = _quote(below)
    return Target(
        # The path below the mount is empty, which routers treat as its root.
        _with_query(spelt or b"/", query),
        # The router of a plain application may or may not route below the mount.
        whole=_with_query(whole, query) if path is None and whole not in (spelt, UNREADABLE) else None,
        mount=_claimed_mount(scope),
        rewritten=whole == UNREADABLE,
    )


def _claimed_mount(scope: Scope) -> str | None:
    """Returns a mount path that a client may have chosen: Daphne takes it from a header, and does not pass that header on."""
    mount: str = scope.get("app_root_path", scope.get("root_path", ""))
    is_own = mount == getattr(scope.get("app"), "root_path", "")
    return mount if mount and not is_own and "daphne.server" in sys.modules else None


def configured_mount(app: Any) -> str:
    """Returns the mount path that an application has configured, like FastAPI, behind any middleware."""
    while app is not None:
        if mount := getattr(app, "root_path", None):
            return str(mount)
        app = getattr(app, "app", None)
    return ""


def _quote(path: str) -> bytes:
    return quote(path, safe="/!$&'()*+,;=:@").encode()


def target_below(scope: Scope) -> bytes:
    """Returns the target below the mount path of an application, which need not be below that of the server."""
    path, query = scope.get("raw_path"), scope.get("query_string", b"")
    path = _quote(scope["path"]) if path is None else path
    mounted, outer = scope.get("root_path", ""), scope.get("app_root_path", "")
    for mount in (mounted.encode(), mounted.removeprefix(outer).encode()):
        if path.startswith(mount):
            path = path[len(mount) :]
            break
    return _with_query(path, query)
