"""Listeners that are none of the servers that a test asks for."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def web(client: socket.socket) -> None:
    """A web server."""
    client.recv(65_536)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def silent(client: socket.socket) -> None:
    """A server that accepts, and says nothing until the client gives up."""
    while client.recv(65_536):
        pass


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serves on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=[client], daemon=True).start()

        def answer(client: socket.socket) -> None:
            try:
                with client:
                    serve(client)
            except OSError:
                return

        threading.Thread(target=accept, daemon=True).start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
