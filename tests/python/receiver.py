"""A receiver of webhooks, which verifies each with the library of Standard Webhooks."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A server that verifies each message, and answers with a status. With a certificate it speaks TLS."""

    def __init__(self, status: Callable[[int], int], *, secret: str = SECRET, verify: bool = True, certificate: Path | None = None) -> None:
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self.wrong: list[Exception] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    event = Webhook(secret).verify(body, headers) if verify else json.loads(body)
                except Exception as error:
                    receiver.wrong.append(error)
                else:
                    receiver.messages.append((headers["webhook-id"], event))
                self.send_response(status(len(receiver.messages)))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                del format, arguments

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def ids(self) -> set[str]:
        return {message for message, _ in list(self.messages)}

    def types(self) -> list[str]:
        return sorted(event["type"] for _, event in list(self.messages))


@contextmanager
def receiving(status: Callable[[int], int] = lambda _: 204, **options: Any) -> Iterator[Receiver]:
    receiver = Receiver(status, **options)
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        assert not receiver.wrong, receiver.wrong
