"""Listeners that are no PostgreSQL 14 or later."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def old(told: str) -> Callable[[socket.socket], None]:
    """A server that lets everybody in, and tells its version."""

    def serve(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(message(b"R", struct.pack("!I", 0)) + message(b"S", b"server_version\0" + told.encode() + b"\0"))
        client.sendall(message(b"K", struct.pack("!II", 1, 2)) + message(b"Z", b"I"))
        client.recv(65_536)

    return serve
