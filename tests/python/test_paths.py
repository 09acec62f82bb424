"""Rules judge the path that a router gets, wherever an application is mounted and whatever stands in front."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security
from flask import Flask
from litestar import Litestar, get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from keywright import AsyncKeywright, Key, Keywright, ValidationFailed, asgi, wsgi
from keywright.fastapi import install
from keywright.flask import Guard
from keywright.http import Target
from keywright.litestar import KeywrightPlugin
from test_http import Connection
from test_wsgi import Answer

PEPPER = "a pepper for these tests, of 32 bytes and more"
RULES: list[dict[str, Any]] = [{"path": "/static/{*rest}", "access": "public"}, {"path": "/deals", "scopes": "deals:read"}]


@pytest.fixture
def url(tmp_path: Any) -> str:
    return f"sqlite:{tmp_path}/keys.db"


@pytest.fixture
def kw(url: str) -> Iterator[Keywright]:
    with Keywright(url, brand="liq", pepper=PEPPER) as opened:
        yield opened


@pytest.fixture
def key(kw: Keywright) -> str:
    return kw.keys.create(name="CI", scopes="deals:read").api_key


def flask(kw: Keywright, **options: Any) -> Flask:
    app = Flask("paths", static_folder=None)
    app.before_request(Guard(kw, app, routes=RULES, **options))
    app.add_url_rule("/deals", "deals", lambda: "deals")
    app.add_url_rule("/static/<path:rest>", "static", lambda rest: "static")
    return app


def starlette() -> Starlette:
    async def deals(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("deals")

    async def static(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("static")

    return Starlette(routes=[Route("/deals", deals), Route("/static/{rest:path}", static)])


def middleware(kw: Any, **options: Any) -> Any:
    return asgi.KeywrightMiddleware(starlette(), kw, routes=RULES, **options)


def fastapi(kw: Any, root_path: str = "", **options: Any) -> Any:
    app = FastAPI(root_path=root_path)
    api_key = install(app, kw, routes=RULES, **options)

    @app.get("/deals")
    async def deals(_key: Annotated[Key, Security(api_key)]) -> str:
        return "deals"

    @app.get("/static/{rest:path}")
    async def static(_key: Annotated[Any, Security(api_key)]) -> str:
        return "static"

    return app


def litestar(kw: Any, **options: Any) -> Any:
    @get("/deals")
    async def deals() -> str:
        return "deals"

    @get("/static/{rest:path}")
    async def static() -> str:
        return "static"

    keys = KeywrightPlugin(kw, routes=RULES, **options)
    return Litestar([deals, static], plugins=[keys], guards=[keys.requires()])


ASGI: list[Callable[..., Any]] = [middleware, fastapi, litestar]


def statuses(app: Any, key: str, path: str, **scope: Any) -> list[int]:
    """The outcome of a request without a key, and of one with a key."""

    async def run() -> list[int]:
        return [(await Connection(path=path, **scope).to(app)).status, (await Connection(path=path, **scope).key(key).to(app)).status]

    return asyncio.run(run())


@pytest.mark.parametrize("made", ASGI)
def test_the_mount_of_a_server_is_no_part_of_rules(made: Callable[..., Any], url: str, kw: Keywright, key: str) -> None:
    app = made(AsyncKeywright(url, brand="liq", pepper=PEPPER))
    assert statuses(app, key, "/deals") == [401, 200]
    assert statuses(app, key, "/api/deals", root_path="/api") == [401, 200]
    assert statuses(app, key, "/api/static/x", root_path="/api") == [200, 200]
    # Rules judge the path that the router gets below a mount, also where the mount is the beginning of a public path.
    assert statuses(app, key, "/static/deals", root_path="/static") == [401, 200]
    assert 200 not in statuses(app, key, "/statics/deals", root_path="/static")
    # Litestar looks for a mount anywhere in the path.
    inside = statuses(app, key, "/static/api/deals", root_path="/api")
    assert inside == ([401, 200] if made is litestar else [200, 200])


@pytest.mark.parametrize("made", ASGI)
def test_a_rewrite_in_front_is_refused_unless_it_is_expected(made: Callable[..., Any], url: str, key: str) -> None:
    engine = AsyncKeywright(url, brand="liq", pepper=PEPPER)
    app, expecting = made(engine), made(engine, rewrites=True)
    rewritten: dict[str, Any] = {"path": "/deals", "raw_path": b"/static/x"}
    assert statuses(app, key, **rewritten) == [400, 400]
    assert statuses(expecting, key, **rewritten) == [401, 200]
    # A server that keeps the decoded path alone.
    assert statuses(app, key, "/deals", raw_path=None) == [401, 200]


def test_a_mount_that_daphne_was_told_by_the_client_needs_a_word_of_the_host(url: str, key: str, monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "daphne.server", asgi)
    engine = AsyncKeywright(url, brand="liq", pepper=PEPPER)
    for made in ASGI:
        assert statuses(made(engine), key, "/deals") == [401, 200]
        assert statuses(made(engine), key, "/static/static/x", root_path="/static") == [401, 403]
        expecting = made(engine, mount="/api")
        assert statuses(expecting, key, "/api/deals", root_path="/api") == [401, 200]
        assert statuses(expecting, key, "/other/deals", root_path="/other") == [401, 403]
        assert statuses(expecting, key, "/deals") == [401, 200]


def test_an_application_says_where_it_is_mounted(url: str, key: str) -> None:
    engine = AsyncKeywright(url, brand="liq", pepper=PEPPER)
    with pytest.warns(match="root_path"):
        own, bare = fastapi(engine, "/api"), FastAPI(root_path="/static")
    bare.add_api_route("/deals", lambda: "deals")
    around = asgi.KeywrightMiddleware(asgi.HeadersMiddleware(bare), engine, routes=RULES)
    for app, mount in ((own, "/api"), (around, "/static")):
        # A proxy may have cut it off or not.
        for path in ("/deals", f"{mount}/deals"):
            assert statuses(app, key, path) == [401, 200], path


def test_a_mounted_application_has_rules_of_its_own(url: str, key: str) -> None:
    engine = AsyncKeywright(url, brand="liq", pepper=PEPPER)
    app = Starlette(routes=[Mount("/static", middleware(engine)), Mount("/in", fastapi(engine))])
    for mount in ("/static", "/in"):
        assert statuses(app, key, f"{mount}/deals") == [401, 200]
        assert statuses(app, key, f"/api{mount}/deals", root_path="/api") == [401, 200]
    # Those of one that has mounted another hold there too.
    whole = FastAPI()
    api_key = install(whole, engine, routes=[{"path": "/in/deals", "scopes": "deals:read"}])
    inner = FastAPI()
    inner.add_api_route("/deals", lambda: "deals", dependencies=[Security(api_key)])
    whole.mount("/in", inner)
    assert statuses(whole, key, "/in/deals") == [401, 200]
    assert statuses(whole, key, "/api/in/deals", root_path="/api") == [401, 200]


def test_a_plain_application_may_look_at_the_whole_path(url: str, key: str) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    rules = [{"path": "/api/admin", "scopes": "admin:all"}, {"path": "/health", "access": "public"}]
    guarded = asgi.KeywrightMiddleware(app, AsyncKeywright(url, brand="liq", pepper=PEPPER), routes=rules, default="authenticated")
    assert statuses(guarded, key, "/api/admin", root_path="/api") == [401, 403]
    assert statuses(guarded, key, "/api/health", root_path="/api") == [200, 200]


def test_wsgi_routes_by_what_is_below_the_mount(kw: Keywright, key: str) -> None:
    app = flask(kw)
    plain = wsgi.KeywrightMiddleware(flask(kw), kw, routes=RULES)
    for mounted in (app, plain, DispatcherMiddleware(Flask("outer"), {"/static": app, "/api": app})):
        prefix = "/static" if isinstance(mounted, DispatcherMiddleware) else ""
        for told in ({}, {"RAW_URI": f"{prefix}/deals"}):
            assert [Answer(mounted, f"{prefix}/deals", it, **told).status for it in (None, key)] == [401, 200]
    claimed = {"SCRIPT_NAME": "/static", "HTTP_SCRIPT_NAME": "/static"}
    for told in ({}, {"RAW_URI": "/static/deals"}, {"REQUEST_URI": "http://api.example/static/deals"}):
        assert [Answer(app, "/deals", it, **claimed, **told).status for it in (None, key)] == [401, 403]
        assert [Answer(flask(kw, mount="/static"), "/deals", it, **claimed, **told).status for it in (None, key)] == [401, 200]
        # A server with this configuration sends no header.
        assert [Answer(app, "/deals", it, SCRIPT_NAME="/static", **told).status for it in (None, key)] == [401, 200]
    assert [Answer(app, "/deals", it, RAW_URI="/static/x").status for it in (None, key)] == [400, 400]
    assert [Answer(flask(kw, rewrites=True), "/deals", it, RAW_URI="/static/x").status for it in (None, key)] == [401, 200]


def test_a_method_counts_as_the_framework_routes_it(kw: Keywright) -> None:
    rules = [{"path": "/deals", "access": "public"}, {"method": "DELETE", "path": "/deals", "scopes": "deals:write"}]
    app = Flask("methods")
    app.before_request(Guard(kw, app, routes=rules))
    app.add_url_rule("/deals", "deals", lambda: "deals", methods=["GET", "DELETE"])
    asked = {it: Answer(app, "/deals", REQUEST_METHOD=it).status for it in ("GET", "DELETE", "delete", "Delete")}
    assert asked == {"GET": 200, "DELETE": 401, "delete": 400, "Delete": 400}


def test_a_target_says_where_it_was_moved(kw: Keywright) -> None:
    http = kw.http(routes=RULES)
    assert http.explain("GET", Target(b"/deals", rewritten=True), [])["fix"] == (
        "let the guard stand before what rewrites the path, or set the option rewrites"
    )
    text = kw.keys.create(name="CI", scopes="deals:read").api_key
    told = http.explain("GET", Target(b"/deals", mount="/api"), [(b"api-key", text.encode())])
    assert (told["status"], told["fix"]) == (
        403,
        "name the path in the option mount, if a proxy of yours sets this header on every request",
    )
    assert http.explain("GET", Target(b"/static/x", whole=b"/deals"), [])["rule"] == "* /static/{*rest}, * /deals"
    for wrong in ("api", "/api/", "/", "/{a}"):
        with pytest.raises(ValidationFailed, match=r"^mount: "):
            kw.http(mount=wrong)
