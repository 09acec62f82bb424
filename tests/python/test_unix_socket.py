"""Real servers on Unix sockets: whose word on the address of the client counts."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from keywright import Keywright
from keywright.environ import parts as environ_parts
from keywright.scope import parts
from waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEPPER = "pepper for tests, thirty-two bytes or more"
LIFETIME_SECONDS = str(3 * PATIENCE)

APPS = """
import os
from keywright import AsyncKeywright, Keywright, asgi, wsgi

def served(environ, start_response):
    start_response("200 OK", [("content-length", "0")])
    return [b""]

async def served_later(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})

url, known = os.environ["DATABASE"], {"brand": "acme", "pepper": os.environ["PEPPER"]}
options = {"trusted_proxies": os.environ["TRUSTED"].split(), "default": "authenticated"}
sync_app = wsgi.KeywrightMiddleware(served, Keywright(url, **known), **options)
async_app = asgi.KeywrightMiddleware(served_later, AsyncKeywright(url, **known), **options)

if __name__ == "__main__":
    from werkzeug.serving import run_simple
    run_simple("unix://" + os.environ["SOCKET"], 0, sync_app)
"""

SERVERS = {
    "uvicorn": ["-m", "uvicorn", "--uds", "{socket}", "--no-proxy-headers", "--lifespan", "off", "apps:async_app"],
    "gunicorn": ["-m", "gunicorn", "--timeout", str(PATIENCE), "--bind", "unix:{socket}", "apps:sync_app"],
    "gunicorn asgi": ["-m", "gunicorn", "--timeout", str(PATIENCE), "--bind", "unix:{socket}", "--worker-class", "asgi", "apps:async_app"],
    "waitress": ["-m", "waitress", "--unix-socket={socket}", "--no-clear-untrusted-proxy-headers", "apps:sync_app"],
    "werkzeug": ["apps.py"],
}


class Unix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


def ask(path: str, text: str, forwarded: str | None) -> int:
    connection = Unix(path)
    connection.request("GET", "/", headers={"Api-Key": text} | ({"X-Forwarded-For": forwarded} if forwarded else {}))
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def bound(tmp_path: Path) -> str:
    with Keywright(f"sqlite:{tmp_path}/keys.db", brand="acme", pepper=PEPPER) as kw:
        return kw.keys.create(name="CI", networks=["203.0.113.0/24"]).api_key


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    name, trusted = request.param
    path = str(tmp_path / "socket")
    (tmp_path / "apps.py").write_text(APPS)
    command = [sys.executable, *(word.format(socket=path) for word in SERVERS[name])]
    environment = {"DATABASE": f"sqlite:{tmp_path}/keys.db", "PEPPER": PEPPER, "TRUSTED": trusted, "SOCKET": path}
    running = subprocess.Popen(["timeout", LIFETIME_SECONDS, *command], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    try:
        until("the server listens or has ended", lambda: answers(path) or running.poll() is not None)
        assert running.poll() is None
        yield path
    finally:
        running.terminate()
        running.wait(PATIENCE)


def answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


@pytest.mark.parametrize("served", [(name, "unix:") for name in SERVERS], indirect=True, ids=list(SERVERS))
def test_a_trusted_proxy_on_a_unix_socket_tells_the_address(bound: str, served: str) -> None:
    assert ask(served, bound, "203.0.113.9") == 200
    assert ask(served, bound, "203.0.113.9, 198.51.100.1") == 403
    assert ask(served, bound, None) == 403


@pytest.mark.parametrize("served", [("uvicorn", "0.0.0.0/0 ::/0"), ("gunicorn", "127.0.0.1")], indirect=True)
def test_no_network_covers_a_unix_socket(bound: str, served: str) -> None:
    assert ask(served, bound, "203.0.113.9") == 403


def scope(**more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": "/", "headers": []} | more


@pytest.mark.parametrize(
    ("given", "peer"),
    [
        ({"client": None, "server": ["/run/app.sock", None]}, "unix:"),
        ({"client": None, "server": None}, "unix:"),
        ({"client": ("", "0"), "server": ("/run/app.sock", "0")}, "unix:"),
        ({"client": ("203.0.113.7", 1), "server": ("127.0.0.1", 80)}, "203.0.113.7"),
        # Servers of TCP whose client has gone, and one that names no peer.
        ({"client": None, "server": ("127.0.0.1", 80)}, None),
        ({"client": ("", 0), "server": ("127.0.0.1", 80)}, None),
        ({"client": ("/run/other.sock", None), "server": None}, None),
        ({}, None),
    ],
)
def test_an_asgi_server_tells_a_unix_socket_by_what_it_leaves_out(given: dict[str, Any], peer: str | None) -> None:
    assert parts(scope(**given))[3] == peer


@pytest.mark.parametrize(
    ("given", "peer"),
    [({"REMOTE_ADDR": ""}, "unix:"), ({"REMOTE_ADDR": "localhost"}, "unix:"), ({"REMOTE_ADDR": "10.0.0.1"}, "10.0.0.1"), ({}, None)],
)
def test_a_wsgi_server_that_leaves_the_address_out_tells_nothing(given: dict[str, str], peer: str | None) -> None:
    assert environ_parts({"REQUEST_METHOD": "GET", "PATH_INFO": "/"} | given)[3] == peer


def test_explain_names_the_setting(bound: str, tmp_path: Path) -> None:
    with Keywright(f"sqlite:{tmp_path}/keys.db", brand="acme", pepper=PEPPER) as kw:
        lines = [(b"api-key", bound.encode()), (b"x-forwarded-for", b"203.0.113.9")]
        told = kw.http().explain("GET", b"/", lines, "unix:")
        assert told["fix"] == "name unix: in trusted_proxies, and let the proxy on the Unix socket append to X-Forwarded-For"
        told = kw.http(trusted_proxies=["unix:"]).explain("GET", b"/", lines, "unix:")
        assert (told["allowed"], told["address"], told["address_from"]) == (True, "203.0.113.9", "forwarded")
