"""`case.py SERVER APP`: a WebSocket opens only with a key, and the counts are written when the server stops."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from free_port import free_port

from keywright import Keywright

PEPPER = "a pepper for these tests, of 32 bytes and more"
HERE = Path(__file__).parent
SERVERS = {
    "uvicorn-websockets": ["uvicorn", "--ws", "websockets", "--no-proxy-headers", "--port", "{port}", "served:app"],
    "uvicorn-wsproto": ["uvicorn", "--ws", "wsproto", "--no-proxy-headers", "--port", "{port}", "served:app"],
    "hypercorn": ["hypercorn", "--bind", "127.0.0.1:{port}", "served:app"],
    "hypercorn-trio": ["hypercorn", "--worker-class", "trio", "--bind", "127.0.0.1:{port}", "served:app"],
    "granian": ["granian", "--interface", "asgi", "--port", "{port}", "served:app"],
    "daphne": ["daphne", "--port", "{port}", "served:app"],
}
# These servers answer 403 without a body when the application accepts no WebSocket.
TERSE = ("daphne",)
REQUESTS = 5


def main() -> None:
    server, app = sys.argv[1:]
    folder = tempfile.mkdtemp()
    url = f"sqlite:{folder}/keys.db"
    with Keywright(url, brand="acme", pepper=PEPPER) as kw:
        key = kw.keys.create(name="CI", scopes="feed:read")
        port = free_port()
        program, *options = [it.format(port=port) for it in SERVERS[server]]
        env = os.environ | {"URL": url, "PEPPER": PEPPER, "APP": app}
        running = subprocess.Popen([Path(sys.executable).parent / program, *options], cwd=HERE, env=env)
        try:
            wait_for(running, port)
            for _ in range(REQUESTS):
                asked = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
                asked.request("GET", "/", headers={"x-api-key": key.api_key, "connection": "close"})
                assert asked.getresponse().status == 200
            assert opened(port, key.api_key) == (101, "CI"), "a key opens the socket"
            for wrong in (None, "nonsense"):
                status, body = opened(port, wrong)
                assert status == 403 if server in TERSE else (status == 401 and '"code":"' in body), (status, body)
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=300)
        finally:
            running.kill()
        counted = kw.keys.get(key.id).usage_count
        assert counted == REQUESTS + 1, f"{counted} counted"


def wait_for(running: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        assert running.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError


def opened(port: int, api_key: str | None) -> tuple[int, str]:
    """The status of a handshake (RFC 6455), with the body of a refusal or the first text that the server sends."""
    lines = ["GET /feed HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *([f"X-API-Key: {api_key}"] if api_key else [])]
    with socket.create_connection(("127.0.0.1", port), timeout=300) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        headers = http.client.parse_headers(stream)
        if status == 101:
            return status, stream.read(stream.read(2)[1]).decode()
        length = headers["content-length"]
        return status, (stream.read(int(length)) if length else stream.read()).decode()


if __name__ == "__main__":
    main()
