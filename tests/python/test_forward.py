"""A real nginx asks before it hands a request on, with the configuration of the guide's page."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from keywright import Keywright
from keywright.asgi import Management

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "core" / "guide" / "forward.md"
PEPPER = "pepper for tests, thirty-two bytes or more"
RULES = [
    {"method": "GET", "path": "/deals", "scopes": "deals:read"},
    {"method": "POST", "path": "/deals", "scopes": "deals:write"},
    {"path": "/health", "access": "public"},
]


class Api(BaseHTTPRequestHandler):
    """The service behind: it says what reached it."""

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        told = {"headers": {name.lower(): it for name, it in self.headers.items()}, "body": self.rfile.read(length).decode()}
        body = json.dumps(told).encode()
        self.send_response(403 if self.path.endswith("refuse") else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def served(app: Any) -> Iterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", proxy_headers=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


@contextmanager
def proxied(folder: Path, keywright: int, api: int) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    locations = re.search(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert locations is not None
    kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    (folder / "nginx.conf").write_text(f"""
        daemon off; pid {folder}/pid; error_log stderr error; worker_processes 1;
        events {{}}
        http {{
            access_log off; client_max_body_size 1m;
            {" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)}
            upstream keywright {{ server 127.0.0.1:{keywright}; }}
            upstream api {{ server 127.0.0.1:{api}; }}
            server {{ listen 127.0.0.1:{port}; {locations[1]} }}
        }}""")
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert nginx is not None, "nginx is missing (on Debian: the package nginx-light)"
    running = subprocess.Popen([nginx, "-c", f"{folder}/nginx.conf", "-p", str(folder)], stderr=sys.stderr)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        running.terminate()
        assert running.wait(20) == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Keywright]]:
    folder = tmp_path_factory.mktemp("nginx")
    limits = {"key": {"rate": 1, "burst": 3}}
    kw = Keywright(f"sqlite:{folder}/keys.db", brand="liq", pepper=PEPPER, limits=limits)
    app = Management(kw, forward_auth="nginx", trusted_proxies=["127.0.0.1"], routes=RULES)
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    with served(app) as port, proxied(folder, port, api.server_port) as proxy:
        yield proxy, kw
    api.shutdown()
    api.server_close()
    kw.close()


def ask(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    told = {name.lower(): it for name, it in answer.getheaders()}
    return answer.status, told, json.loads(text) if text.startswith("{") else None


def test_who_asks_is_told_behind(site: tuple[int, Keywright]) -> None:
    port, kw = site
    new = kw.org("acme").keys.create(name="writer", scopes="deals:write")
    ours = ["Principal", "Key", "Org", "Environment", "Scopes", "Agent"]
    forged = {f"X-Keywright-{it}": "forged" for it in ours} | {"X-Original-URI": "/health", "X-Original-Method": "GET"}
    status, _, told = ask(port, "POST", "/deals?x=1", {"Api-Key": new.api_key, **forged}, "a body")
    assert (status, told["body"]) == (200, "a body")
    behind = {name.removeprefix("x-keywright-"): it for name, it in told["headers"].items() if name.startswith("x-keywright-")}
    assert behind == {"principal": "key", "key": new.id, "org": "acme", "environment": "live", "scopes": "deals:write"}
    status, _, told = ask(port, "GET", "/health", forged)
    assert status == 200
    assert [name for name in told["headers"] if name.startswith("x-keywright-")] == ["x-keywright-principal"]


def test_what_belongs_to_an_answer_reaches_the_client(site: tuple[int, Keywright]) -> None:
    port, kw = site
    new = kw.keys.create(name="turned", scopes="deals:read")
    kw.keys.rotate(new.id, grace="1h")
    status, headers, told = ask(port, "GET", "/deals", {"Api-Key": new.api_key, "X-Request-Id": "mine"})
    assert (status, headers["x-request-id"], told["headers"]["x-request-id"]) == (200, "mine", "mine")
    assert (headers["x-api-key-deprecated"], headers["ratelimit"].partition(";")[0]) == ("true", '"key"')
    assert headers["x-api-key-grace-period-ends"].endswith("Z")
    for text, refused in (("nonsense", 401), (new.api_key, 403)):
        status, headers, _ = ask(port, "POST", "/deals", {"Api-Key": text, "X-Request-Id": "mine"})
        assert (status, headers["x-request-id"]) == (refused, "mine")


def test_refusals_reach_the_client(site: tuple[int, Keywright]) -> None:
    port, kw = site
    reader = kw.keys.create(name="reader", scopes="deals:read").api_key
    assert ask(port, "GET", "/deals", {"Api-Key": reader})[0] == 200
    status, headers, _ = ask(port, "GET", "/deals")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="api"')
    assert ask(port, "GET", "/deals", {"Api-Key": "nonsense"})[0] == 401
    assert ask(port, "GET", "/users", {"Api-Key": reader})[0] == 403
    assert ask(port, "POST", "/deals", {"Api-Key": reader}, "{}")[0] == 403
    assert ask(port, "GET", "/deals", {"Api-Key": reader, "Authorization": f"Bearer {reader}"})[0] == 400
    assert ask(port, "GET", "/_keywright", {"Api-Key": reader})[0] == 404
    # What the service itself answers stays as it is.
    status, _, told = ask(port, "GET", "/deals?refuse", {"Api-Key": reader})
    assert (status, told["headers"]["api-key"]) == (403, reader)


def test_a_limit_is_told_in_its_own_words(site: tuple[int, Keywright]) -> None:
    port, kw = site
    text = kw.keys.create(name="spent", scopes="deals:read").api_key
    answers = [ask(port, "GET", "/deals", {"Api-Key": text})[:2] for _ in range(5)]
    assert [status for status, _ in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1][1]["retry-after"]) <= 60


def test_a_revocation_holds_behind_the_proxy(site: tuple[int, Keywright]) -> None:
    port, kw = site
    new = kw.keys.create(name="short", scopes="deals:read")
    assert ask(port, "GET", "/deals", {"Api-Key": new.api_key})[0] == 200
    kw.keys.revoke(new.id)
    assert ask(port, "GET", "/deals", {"Api-Key": new.api_key})[0] == 401
