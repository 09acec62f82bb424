"""WSGI and Flask, where vectors over HTTP cannot look: what servers hide, bodies that break off, mistakes of the host."""

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from flask import Flask, abort, g, request, session

from keywright import AsyncKeywright, InvalidRequest, Keywright, ValidationFailed
from keywright.environ import body, target
from keywright.flask import Guard, get_api_key
from keywright.http import AuthContext
from keywright.wsgi import KeywrightMiddleware, Management
from waiting import PATIENCE

PEPPER = "a pepper for these tests, of 32 bytes and more"
RULES = [{"path": "/deals", "scopes": "deals:read"}, {"path": "/health", "access": "public"}]


class Answer:
    """Calls a WSGI application without a server, and returns its response."""

    def __init__(self, app: Any, path: str = "/", key: str | None = None, **environ: Any) -> None:
        given: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "REMOTE_ADDR": "127.0.0.1",
            "SERVER_NAME": "x",
        }
        given |= {"SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
        if key is not None:
            given["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        self.written = b""
        self.body = b"".join(app(given | environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        self.status, self.headers = int(status.partition(" ")[0]), dict(headers)
        return self._write

    def _write(self, part: bytes) -> None:
        self.written += part

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["keywright"].principal.encode()]


def test_wrong_options_are_refused_when_an_adapter_is_made(kw: Keywright, tmp_path: Path) -> None:
    engines: list[Any] = [kw, AsyncKeywright(f"sqlite:{tmp_path}/later.db", brand="liq", pepper=PEPPER)]
    for engine in engines:
        wrong: list[dict[str, Any]] = [{"rutes": []}, {"errors": "xml"}, {"routes": [{"path": "a"}]}]
        for options in wrong:
            for make in (lambda it, **given: KeywrightMiddleware(hello, it, **given), Management, Guard):
                with pytest.raises((InvalidRequest, ValidationFailed)):
                    make(engine, **options)
    with pytest.raises(ValidationFailed, match=r"^scopes: "):
        Guard(kw).requires("deals")


def test_a_target_counts_where_it_is_what_the_application_sees() -> None:
    def seen(given: str | None, path: str, mount: str = "") -> tuple[bytes, bytes]:
        environ = {"PATH_INFO": path, "SCRIPT_NAME": mount, "QUERY_STRING": "a=%20"}
        return target(environ if given is None else environ | {"RAW_URI": given})

    odd = (b"*", b"*")
    cases: list[tuple[str | None, str, str, tuple[bytes, bytes]]] = [
        ("/d%65als?a=%20", "/deals", "", (b"/d%65als?a=%20", b"/d%65als?a=%20")),
        ("http://api.example/deals?a=%20", "/deals", "", (b"/deals?a=%20", b"/deals?a=%20")),
        ("/manage/keys/a%3Ab", "/keys/a:b", "/manage", (b"/manage/keys/a%3Ab?a=%20", b"/keys/a%3Ab?a=%20")),
        ("/keys", "/keys", "/manage", (b"/keys?a=%20", b"/keys?a=%20")),  # a proxy's own prefix
        ("/m%61nage/keys", "/keys", "/manage", odd),
        ("/public", "/deals", "", odd),  # rewritten on the way
        ("//deals", "/deals", "", (b"//deals?a=%20", b"//deals?a=%20")),  # waitress drops slashes
        ("/deals", "//deals", "", odd),
        (None, "/deals", "", (b"/deals?a=%20", b"/deals?a=%20")),
        (None, "/a b%;\xc3\xa9/..", "/x", (b"/x/a%20b%25;%C3%A9/..?a=%20", b"/a%20b%25;%C3%A9/..?a=%20")),
    ]
    for given, path, mount, expected in cases:
        assert seen(given, path, mount) == expected, (given, path, mount)


def test_no_rule_lets_in_what_was_rewritten(kw: Keywright) -> None:
    app, key = KeywrightMiddleware(hello, kw, routes=RULES), kw.keys.create(name="CI", scopes="deals:read").api_key
    assert Answer(app, "/deals", key).body == b"key"
    assert Answer(app, "/health").body == b"anyone"
    assert Answer(app, "/deals", REQUEST_URI="/health").status == 400
    assert Answer(app, "/health", key, REQUEST_URI="/deals").status == 400
    # A server that hides the target: what the application sees is judged.
    assert Answer(app, "/deals").status == 401
    assert [Answer(app, it, key).status for it in ("//deals", "/./deals", "/deals;x", "/x/../deals")] == [400] * 4


def test_two_lines_that_a_server_joined_are_two(kw: Keywright) -> None:
    key = kw.keys.create(name="CI").api_key
    app = KeywrightMiddleware(hello, kw)
    assert Answer(app, key=key).status == 200
    assert Answer(app, HTTP_AUTHORIZATION=f"Bearer {key},Bearer {key}").status == 400
    assert Answer(app, HTTP_AUTHORIZATION=f"Basic eDp5,Bearer {key}").status == 400
    assert Answer(app, HTTP_API_KEY=f"{key},{key}").status == 400
    asked = Management(kw, forward_auth="traefik", routes=RULES)
    told = {"HTTP_X_FORWARDED_METHOD": "GET", "HTTP_X_FORWARDED_URI": "/health?ids=1,2"}
    assert Answer(asked, "/forward-auth", **told).status == 200
    for joined in ("/health,/deals", "/health, /deals", "/health?x=,/deals"):
        assert Answer(asked, "/forward-auth", **(told | {"HTTP_X_FORWARDED_URI": joined})).status == 400


def test_a_body_counts_only_as_a_whole(kw: Keywright) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise ValueError

    def read(given: bytes, length: str | None = None, **environ: Any) -> bytes | None:
        lengths = {} if length is None else {"CONTENT_LENGTH": length}
        return body({"wsgi.input": io.BytesIO(given), **lengths, **environ})

    chunked: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked"}
    assert read(b"{}", "2") == b"{}"
    assert read(b"{}rest", "2") == b"{}"
    assert read(b"{", "2") is None
    assert read(b"", "2") is None
    assert read(b"{}") == read(b"{}", "") == b""
    assert read(b"{}", None, **chunked) is None
    ended: dict[str, Any] = {"wsgi.input_terminated": True}
    assert read(b"{}", None, **chunked, **ended) == b"{}"
    assert body({"wsgi.input": Broken(), "CONTENT_LENGTH": "2"}) is None
    assert len(read(b"x" * 100_000, "100000") or b"") == len(read(b"x" * 100_000, **ended) or b"") == 65_537

    managed = Management(kw, lambda environ: {"org": "acme", "may": "keys:manage"})
    given: dict[str, Any] = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/json"}
    cut = Answer(managed, "/keys", CONTENT_LENGTH="14", **given)
    assert (cut.status, len(kw.org("acme").keys.list().data)) == (400, 0)
    whole: dict[str, Any] = {"wsgi.input": io.BytesIO(b'{"name": "CI"}'), "CONTENT_LENGTH": "14"}
    assert Answer(managed, "/keys", **given, **whole).status == 201


def test_an_engine_opens_with_the_first_request(tmp_path: Path) -> None:
    engine = AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER)
    assert Answer(KeywrightMiddleware(hello, engine)).code == "API_KEY_REQUIRED"
    (tmp_path / "file").write_text("")
    broken = AsyncKeywright(f"sqlite:{tmp_path}/file/keys.db", brand="liq", pepper=PEPPER)
    assert Answer(KeywrightMiddleware(hello, broken), key="x").code == "UNAVAILABLE"
    assert Answer(Management(broken, lambda environ: {"org": "acme"}), "/keys").code == "UNAVAILABLE"


def test_a_socket_without_addresses_has_no_network(kw: Keywright) -> None:
    app = KeywrightMiddleware(hello, kw)
    key = kw.keys.create(name="CI", networks=["0.0.0.0/0", "::/0"]).api_key
    assert (Answer(app, key=key).status, Answer(app, key=key, REMOTE_ADDR="").code) == (200, "IP_NOT_ALLOWED")


def test_a_principal_that_fails_lets_nobody_in(kw: Keywright) -> None:
    def broken(environ: Any) -> Any:
        raise LookupError

    with pytest.raises(LookupError):
        Answer(Management(kw, broken), "/keys")
    assert Answer(Management(kw, lambda environ: None), "/keys").status == 401
    with pytest.raises(TypeError):
        Answer(Management(kw, lambda environ: "acme"), "/keys")


def test_what_is_done_once_is_kept_as_a_whole(kw: Keywright) -> None:
    runs: list[bytes] = []

    class Parts:
        closed = 0

        def __init__(self, *given: bytes | Exception) -> None:
            self.given = given

        def __iter__(self) -> Iterator[bytes]:
            for it in self.given:
                if isinstance(it, Exception):
                    raise it
                yield it

        def close(self) -> None:
            Parts.closed += 1

    def making(environ: dict[str, Any], start_response: Any) -> Any:
        runs.append(environ["wsgi.input"].read())
        if environ["PATH_INFO"] == "/written":
            start_response("201 Created", [("content-type", "text/plain")])(b"one ")
            return [b"two"]
        start_response("201 Created", [("content-type", "text/plain")])
        if environ["PATH_INFO"] == "/broken":
            return Parts(b"one ", LookupError())
        if environ["PATH_INFO"] == "/text":
            return ["no bytes"]
        return Parts(b"x" * 70_000) if environ["PATH_INFO"] == "/long" else Parts(b"one ", b"", b"two")

    app = KeywrightMiddleware(making, kw, routes=[{"path": "/{any}", "idempotent": True}])
    key = kw.keys.create(name="CI").api_key

    def asked(path: str, **more: Any) -> Answer:
        given: dict[str, Any] = {"REQUEST_METHOD": "POST", "HTTP_IDEMPOTENCY_KEY": path.strip("/"), "CONTENT_LENGTH": "2"}
        return Answer(app, path, key, **given | {"wsgi.input": io.BytesIO(b"{}")} | more)

    first, second = asked("/made"), asked("/made")
    assert (first.status, first.body, first.headers["content-type"]) == (201, b"one two", "text/plain")
    assert (second.status, second.body, second.headers["idempotent-replayed"]) == (201, b"one two", "true")
    assert (runs, Parts.closed) == ([b"{}"], 1)
    assert asked("/made", **{"wsgi.input": io.BytesIO(b"[]")}).status == 422
    assert asked("/cut", CONTENT_LENGTH="3").status == 400
    assert len(runs) == 1
    for _ in range(2):
        with pytest.raises(LookupError):
            asked("/broken")
    assert (len(runs), Parts.closed) == (3, 3), "what broke off may be done anew"
    for _ in range(2):
        with pytest.raises(TypeError):
            asked("/text")
    assert len(runs) == 5
    assert [asked("/long").status for _ in range(2)] == [201, 409]
    written, again = asked("/written"), asked("/written")
    assert (written.written, written.body, again.body) == (b"one ", b"two", b"one two")
    large = {"wsgi.input": io.BytesIO(b"x" * 1_100_000), "CONTENT_LENGTH": "1100000"}
    assert asked("/large", **large).status == 413


SITE = """
from keywright import Keywright
from keywright.wsgi import KeywrightMiddleware


def hello(environ, start_response):
    start_response("200 OK", [])
    return [str(__import__("os").getpid()).encode()]


kw = Keywright({url!r}, brand="liq", pepper={pepper!r})
app = KeywrightMiddleware(hello, kw)
"""


def test_workers_forked_after_the_engine_was_opened_serve_and_see_a_revocation(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/keys.db"
    (tmp_path / "site_of_this_test.py").write_text(SITE.format(url=url, pepper=PEPPER))
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    port, handle = listening.getsockname()[1], listening.fileno()
    patience = ["--timeout", str(PATIENCE), "--graceful-timeout", str(PATIENCE)]
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", *patience, "-b", f"fd://{handle}", "site_of_this_test:app"]
    server = subprocess.Popen(command, cwd=tmp_path, pass_fds=[handle], stderr=subprocess.DEVNULL)
    listening.close()

    def ask(key: str) -> tuple[int, bytes]:
        asked = Request(f"http://127.0.0.1:{port}/", headers={"Api-Key": key})
        try:
            with urlopen(asked, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except HTTPError as refused:
            with refused:
                return refused.code, b""

    try:
        with Keywright(url, brand="liq", pepper=PEPPER) as kw:
            new = kw.keys.create(name="CI")
            with ThreadPoolExecutor(8) as threads:
                before = list(threads.map(ask, [new.api_key] * 60))
                assert {status for status, _ in before} == {200}
                assert str(server.pid).encode() not in {worker for _, worker in before}
                kw.keys.revoke(new.id)
                assert {status for status, _ in threads.map(ask, [new.api_key] * 60)} == {401}
    finally:
        server.terminate()
        server.wait(PATIENCE)
    with Keywright(url, brand="liq", pepper=PEPPER) as kw:
        counted = kw.keys.get(new.id)
        assert (counted.usage_count, counted.denied_count) == (60, 60), "each worker wrote down what it had counted"


@pytest.fixture
def app(kw: Keywright) -> Flask:
    app, guard = Flask(__name__), Guard(kw)
    app.secret_key = PEPPER
    guard.init_app(app)

    @app.before_request
    def read() -> None:
        if "x-read" in request.headers:
            assert getattr(request, request.headers["x-read"]) is not None

    @app.get("/deals/<int:number>")
    @guard.requires("deals:read", cost=2)
    def deals(number: int) -> Any:
        found = get_api_key()
        assert found is not None
        assert isinstance(g.keywright, AuthContext)
        return {"key": found.name, "number": 1 // number}

    @app.get("/later")
    @guard.requires(["deals:read"])
    async def later() -> str:
        return "later"

    @app.get("/open")
    def open() -> Any:
        return {"key": None if get_api_key() is None else "some"}

    @app.post("/made/<how>")
    @guard.requires(idempotent=True)
    def made(how: str) -> Any:
        app.config["RUNS"] = app.config.get("RUNS", 0) + 1
        if how == "teapot":
            abort(418)
        return (iter([b"streamed"]) if how == "streamed" else {"how": how, "got": request.json}), 201 if how != "failed" else 500

    @app.post("/login")
    def login() -> str:
        session["org"] = "acme"
        return ""

    guard.mount(app, "/manage", lambda: {"org": session["org"], "may": "keys:read"} if "org" in session else None)
    return app


def test_flask_guards_single_views(app: Flask, kw: Keywright) -> None:
    client = app.test_client()
    read, none = kw.keys.create(name="CI", scopes="deals:read").api_key, kw.keys.create(name="none").api_key
    found = client.get("/deals/1", headers={"Api-Key": read})
    assert (found.json, found.headers["vary"], "x-request-id" in found.headers) == (
        {"key": "CI", "number": 1},
        "authorization, api-key, x-api-key",
        True,
    )
    assert client.get("/later", headers={"Api-Key": read}).text == "later"
    refused = client.get("/deals/1", headers={"Api-Key": none})
    assert (refused.status_code, refused.content_type) == (403, "application/problem+json")
    crashed = client.get("/deals/0", headers={"Api-Key": read})
    assert (crashed.status_code, "x-request-id" in crashed.headers) == (500, True)
    assert client.get("/open").json == {"key": None}
    assert "x-request-id" not in client.get("/open").headers
    assert client.get("/nowhere").status_code == 404
    asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    assert "access-control-allow-origin" not in client.options("/deals/1", headers=asks).headers


def test_flask_does_once_what_is_sent_again(app: Flask, kw: Keywright) -> None:
    client = app.test_client()
    key = kw.keys.create(name="CI").api_key

    def asked(how: str, **more: Any) -> Any:
        return client.post(f"/made/{how}", headers={"Api-Key": key, "Idempotency-Key": how}, **{"json": {"a": 1}, **more})

    found = [asked("plain") for _ in range(2)]
    assert [(it.status_code, it.json) for it in found] == [(201, {"how": "plain", "got": {"a": 1}})] * 2
    assert [it.headers.get("idempotent-replayed") for it in found] == [None, "true"]
    assert asked("plain", json={"a": 2}).status_code == 422
    assert [asked("streamed").status_code for _ in range(2)] == [201, 409]
    assert [asked("failed").status_code for _ in range(2)] == [500, 500]
    assert [asked("teapot").status_code for _ in range(2)] == [418, 418]
    assert app.config["RUNS"] == 5

    def read(how: str, number: int, **more: Any) -> Any:
        headers = {"Api-Key": key, "Idempotency-Key": how, "x-read": how}
        return client.post(f"/made/{how}", headers=headers, **{"json": {"a": number}, **more})

    for how in ("data", "json", "form", "values", "files", "stream"):
        assert [read(how, 3).json for _ in range(2)] == [{"how": how, "got": {"a": 3}}] * 2
        assert read(how, 4).status_code == 422, "what another has looked at counts as it came"
    app.testing = False
    before = app.config["RUNS"]
    assert read("form", 5, json=None, data={"name": "x"}).status_code == 500, "of what another has kept nobody knows what it said"
    assert app.config["RUNS"] == before


def test_flask_guards_all_and_then_more(app: Flask, kw: Keywright) -> None:
    guard: Guard = app.extensions["keywright"]
    app.before_request(guard)
    client = app.test_client()
    none = kw.keys.create(name="none").api_key
    assert client.get("/open").status_code == 401
    assert client.get("/open", headers={"Api-Key": none}).status_code == 200
    refused = client.get("/deals/1", headers={"Api-Key": none})
    assert (refused.status_code, refused.headers.getlist("vary")) == (403, ["authorization, api-key, x-api-key"])
    read = kw.keys.create(name="CI", scopes="deals:read")
    assert client.get("/deals/1", headers={"Api-Key": read.api_key}).status_code == 200
    kw.flush()
    assert kw.keys.get(read.id).usage_count == 1


def test_flask_asks_its_own_session_who_manages(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/manage/keys").status_code == 401
    client.post("/login")
    assert client.get("/manage/keys").status_code == 200
    assert client.delete("/manage/keys/x").status_code == 403
