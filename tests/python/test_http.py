"""The adapters of Python, where vectors over HTTP cannot look: odd connections, late engines, mistakes of the host."""

import asyncio
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.responses import JSONResponse

from keywright import AsyncKeywright, InvalidRequest, Key, Keywright, ValidationFailed
from keywright.asgi import HeadersMiddleware, KeywrightMiddleware, Management
from keywright.fastapi import install
from keywright.flask import Guard
from keywright.http import AsyncHttp, AuthContext, Needs, Response
from keywright.litestar import KeywrightPlugin
from waiting import PATIENCE

PEPPER = "a pepper for these tests, of 32 bytes and more"
AUTHORIZED = b"authorization"


class Connection:
    """One connection to an ASGI application, without a server."""

    def __init__(self, kind: str = "http", path: str = "/", method: str = "GET", **scope: Any) -> None:
        self.scope: dict[str, Any] = {
            "type": kind,
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [],
            "client": ("127.0.0.1", 1),
            "scheme": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
            **scope,
        }
        self.sent: list[Any] = []
        self.body = [b""]

    def key(self, text: str) -> "Connection":
        self.scope["headers"] = [(b"authorization", b"Bearer " + text.encode())]
        return self

    async def to(self, app: Any) -> "Connection":
        async def receive() -> dict[str, Any]:
            if self.scope["type"] == "websocket":
                return {"type": "websocket.connect"}
            part = self.body.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.body)}

        async def send(message: Any) -> None:
            self.sent.append(message)

        await app(self.scope, receive, send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def answer(self) -> Any:
        return json.loads(b"".join(it.get("body", b"") for it in self.sent[1:]))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/keys.db"


def engine(url: str, **options: Any) -> AsyncKeywright:
    return AsyncKeywright(url, brand="liq", **{"pepper": PEPPER, **options})


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in (b"one ", b"two"):
        await send({"type": "http.response.body", "body": part, "more_body": part == b"one "})


def test_fastapi_explains_and_names_every_answer(url: str) -> None:
    async def run() -> None:
        kw = engine(url)
        app = FastAPI()
        api_key, told = install(app, kw), list[Any]()
        text = (await kw.keys.create(name="CI", scopes="deals:read")).api_key

        @app.get("/deals")
        async def deals(request: Request) -> None:
            told.append(await api_key.explain(request, "deals:write"))
            told.append(await api_key.explain(request, "deals:read"))

        assert (await Connection(path="/deals").key(text).to(app)).status == 200
        assert [(it["allowed"], it["code"], it["rule"]) for it in told] == [(False, "INSUFFICIENT_SCOPE", None), (True, None, None)]
        for path in ("/deals/", "/nowhere"):
            answer = await Connection(path=path, headers=[(b"x-request-id", b"order-7")]).to(app)
            assert (answer.status, answer.headers["x-request-id"]) == (404, "order-7")
        assert (await Connection(path="/deals", method="POST").to(app)).headers["x-request-id"]
        await kw.close()

    asyncio.run(run())


def test_fastapi_answers_in_mounted_applications_too(url: str) -> None:
    async def run() -> None:
        kw = engine(url)
        app, inner = FastAPI(), FastAPI()
        api_key, runs = install(app, kw), []
        text = (await kw.keys.create(name="CI", scopes="deals:write")).api_key

        once = api_key.requires("deals:write", idempotent=True)

        @inner.post("/deals", status_code=201, dependencies=[once])
        async def deals() -> int:
            runs.append(1)
            return len(runs)

        app.mount("/in", inner)

        async def mine(_request: Request, _error: Exception) -> JSONResponse:
            return JSONResponse({"mine": True}, 200, {"x-mine": "1"})

        own = FastAPI(exception_handlers={HTTPException: mine})
        own.add_api_route("/deals", deals, methods=["POST"], status_code=201, dependencies=[once])
        app.mount("/own", own)

        def asked(mount: str = "/in", key: bytes = b"k") -> Connection:
            lines = [(b"api-key", text.encode()), (b"idempotency-key", key)]
            return Connection(path=f"{mount}/deals", method="POST", headers=lines)

        answers = [await asked().to(app) for _ in range(2)]
        assert [(it.status, it.answer, "idempotent-replayed" in it.headers) for it in answers] == [(201, 1, False), (201, 1, True)]
        refused = await Connection(path="/in/deals", method="POST").to(app)
        assert (refused.status, refused.answer["code"], refused.headers["www-authenticate"]) == (
            401,
            "API_KEY_REQUIRED",
            'Bearer realm="api"',
        )
        assert "x-keywright-refused" not in refused.headers
        first, again = [await asked("/own", b"own").to(app) for _ in range(2)]
        assert (first.answer, again.status, again.answer, again.headers["x-mine"]) == (2, 201, 2, "1"), "a repeat is what it was"
        await kw.close()

    asyncio.run(run())


def test_a_database_that_cannot_be_opened_is_told_once(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Keywright(url, brand="liq", pepper=PEPPER) as kw:
        kw.keys.create(name="CI")

    reported = threading.Event()

    async def run() -> None:
        late = engine(url, pepper="another pepper, of 32 bytes and more", on_event=lambda _: reported.set())
        app = KeywrightMiddleware(hello, late)
        assert [(await Connection().key("x").to(app)).status for _ in range(3)] == [503] * 3

    asyncio.run(run())
    assert reported.wait(PATIENCE)
    messages = [it.getMessage() for it in caplog.records if it.name == "keywright"]
    assert len(messages) == 1
    assert "cannot be used: keys of this database were made with a pepper that was not given" in messages[0]


def test_wrong_options_are_refused_when_an_adapter_is_made(url: str) -> None:
    engines: list[Any] = [engine(url), Keywright(url, brand="liq", pepper=PEPPER)]
    for kw in engines:
        cases: list[tuple[Any, str]] = [
            ({"routes": [{"path": "/a"}, {"path": "/A/"}]}, "routes"),
            ({"routes": [{"path": "a"}]}, "routes"),
            ({"trusted_proxies": ["10.0.0.1/8"]}, "trusted_proxies"),
            ({"trusted_proxies": ["010.0.0.0/8"]}, "trusted_proxies"),
            ({"trusted_proxies": ["10.0.0.0/08"]}, "trusted_proxies"),
            ({"credentials": []}, "credentials"),
            ({"credentials": ["Cookie"]}, "credentials"),
            ({"credentials": ["Authorization: Basic"]}, "credentials"),
            ({"credentials": ["Authorization: Api Key"]}, "credentials"),
            ({"credentials": ["X-API-Key: Token"]}, "credentials"),
            ({"credentials": ["Authorization", "authorization: BEARER"]}, "credentials"),
            ({"preflight": "deny"}, "preflight"),
            ({"agent_header": 7}, "agent_header"),
            ({"agent_header": ""}, "agent_header"),
            ({"agent_header": "X Agent"}, "agent_header"),
            ({"agent_header": "X-Request-Id"}, "agent_header"),
            ({"agent_header": "authorization"}, "agent_header"),
            ({"agent_header": "X-Agent", "credentials": ["X-Agent"]}, "agent_header"),
            ({"realm": 'a"b'}, "realm"),
            ({"errors": "xml"}, "errors"),
            ({"rutes": []}, "rutes"),
            ({"session": {"algorithm": "HS256", "key": "short"}}, "session"),
            ({"session": {"algorithm": "none", "key": "x" * 32}}, "session"),
            ({"routes": [{"path": "/a", "access": "session"}]}, "routes"),
            ({"origins": ["app.example"]}, "origins"),
            ({"routes": [{"path": "/deals/:id"}]}, "routes"),
            ({"routes": [{"path": "/deals/<int:id>"}]}, "routes"),
            ({"forward_auth": "nginx", "routes": [{"path": "/a", "idempotent": True}]}, "routes"),
        ]
        for options, field in cases:
            with pytest.raises((InvalidRequest, ValidationFailed)) as refused:
                KeywrightMiddleware(hello, kw, **options)
            assert refused.value.field == field
    with pytest.raises(ValidationFailed, match=r"^routes: .*did you mean deals:read"):
        AsyncHttp(engine(url, scopes=["deals:read"]), routes=[{"path": "/a", "scopes": "deals:raed"}])


def test_a_middleware_opens_its_engine_and_streams(url: str) -> None:
    async def run() -> None:
        kw = engine(url)
        app = KeywrightMiddleware(hello, kw)
        assert (await Connection().to(app)).status == 401
        new = await kw.keys.create(name="CI")
        found = await Connection().key(new.api_key).to(app)
        assert [it.get("body") for it in found.sent] == [None, b"one ", b"two"]
        context = found.scope["state"]["keywright"]
        assert isinstance(context, AuthContext)
        assert context.key is not None
        assert (context.principal, context.key.name, context.org) == ("key", "CI", "default")
        assert found.headers["x-request-id"] == context.request_id
        await kw.close()
        assert (await Connection().key(new.api_key).to(app)).status == 503

    asyncio.run(run())


def test_an_engine_that_cannot_open_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def run() -> None:
        app = KeywrightMiddleware(hello, engine(f"sqlite:{tmp_path}/file/keys.db"))
        found = await Connection().key("x").to(app)
        assert (found.status, found.headers["retry-after"], found.answer["code"]) == (503, "1", "UNAVAILABLE")
        manage = Management(engine(f"sqlite:{tmp_path}/file/keys.db"), lambda scope: {"org": "acme"})
        assert (await Connection(path="/keys").to(manage)).status == 503

    asyncio.run(run())


def test_sockets_and_lifespans(url: str) -> None:
    async def accepting(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"} if scope["type"] == "websocket" else {"type": "lifespan.startup.complete"})

    async def run() -> None:
        async with engine(url) as kw:
            app = KeywrightMiddleware(accepting, kw)
            assert (await Connection("lifespan").to(app)).sent == [{"type": "lifespan.startup.complete"}]
            refused = await Connection("websocket").to(app)
            assert refused.sent == [{"type": "websocket.close", "code": 1008}]
            told = await Connection("websocket", extensions={"websocket.http.response": {}}).to(app)
            assert (told.sent[0]["type"], told.status) == ("websocket.http.response.start", 401)
            new = await kw.keys.create(name="CI")
            accepted = await Connection("websocket").key(new.api_key).to(app)
            assert (accepted.sent[0]["type"], "x-request-id" in accepted.headers) == ("websocket.accept", True)
            # A connection of an unknown type goes nowhere, with a key or without.
            for guard in (app, HeadersMiddleware(accepting), Management(kw, app=accepting), Management(kw)):
                with pytest.raises(ValueError, match="the scope type 'webtransport' is not known"):
                    await Connection("webtransport").key(new.api_key).to(guard)

    asyncio.run(run())


def test_a_socket_without_addresses_has_no_network(url: str) -> None:
    async def run() -> None:
        async with engine(url) as kw:
            app = KeywrightMiddleware(hello, kw, trusted_proxies=["127.0.0.0/8"])
            new = await kw.keys.create(name="CI", networks=["0.0.0.0/0", "::/0"])
            for client in (None, ("/run/app.sock", None)):
                found = await Connection(client=client).key(new.api_key).to(app)
                assert (found.status, found.answer["code"]) == (403, "IP_NOT_ALLOWED")
            assert (await Connection().key(new.api_key).to(app)).status == 200

    asyncio.run(run())


def test_a_slow_hash_leaves_the_loop_free(url: str) -> None:
    async def run() -> None:
        async with AsyncKeywright(url, brand="liq") as kw:
            new = await kw.keys.create(name="CI")
        async with AsyncKeywright(url, brand="liq") as kw:
            app, turns = KeywrightMiddleware(hello, kw), 0

            async def turning() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            beside = asyncio.create_task(turning())
            await asyncio.sleep(0)
            before = turns
            assert (await Connection().key(new.api_key).to(app)).status == 200
            assert turns > before, "the loop stood still while the hash was made"
            beside.cancel()

    asyncio.run(run())


def test_a_principal_that_fails_lets_nobody_in(url: str) -> None:
    class Broken(Exception):
        pass

    def broken(scope: Any) -> None:
        raise Broken

    async def nobody(scope: Any) -> None:
        return None

    async def run() -> None:
        async with engine(url) as kw:
            with pytest.raises(Broken):
                await Connection(path="/keys").to(Management(kw, broken))
            assert (await Connection(path="/keys").to(Management(kw, nobody))).status == 401
            said: Any
            for said in ("acme", 7, ["acme"]):
                with pytest.raises(TypeError):
                    await Connection(path="/keys").to(Management(kw, partial(lambda it, scope: it, said)))
            for said in ({}, {"org": ""}, {"org": "acme", "mya": []}, {"org": "acme", "may": "*"}):
                with pytest.raises((InvalidRequest, ValidationFailed)):
                    await Connection(path="/keys").to(Management(kw, partial(lambda it, scope: it, said)))
            granted = Management(kw, lambda scope: {"org": "acme"})
            assert (await Connection(path="/keys").to(granted)).answer["code"] == "INSUFFICIENT_SCOPE"

    asyncio.run(run())


def test_a_body_is_read_no_further_than_it_may_be_long(url: str) -> None:
    async def run() -> None:
        async with engine(url) as kw:
            manage = Management(kw, lambda scope: {"org": "acme", "may": "keys:manage"})
            connection = Connection(path="/keys", method="POST")
            connection.scope["headers"] = [(b"content-type", b"application/json")]
            connection.body = [b"x" * 60_000] * 1_000
            await connection.to(manage)
            assert (connection.status, len(connection.body)) == (413, 998)

    asyncio.run(run())


def test_fastapi_shows_scopes_and_keeps_headers_on_errors(url: str) -> None:
    async def run() -> None:
        async with engine(url) as kw:
            app = FastAPI()
            api_key = install(app, kw)
            dear = api_key.needs(cost=2)

            @app.get("/deals/{number}")
            async def deals(number: int, key: Annotated[Key, Security(api_key, scopes=["deals:read"])]) -> Any:
                return {"key": key.name}

            @app.post("/deals")
            async def make(key: Annotated[Key, api_key.requires("deals:write", cost=2)]) -> Any:
                return {"key": key.name}

            @app.delete("/deals")
            async def drop(key: Annotated[Key, Security(dear, scopes=["deals:write"])]) -> Any:
                return {"key": key.name}

            @app.websocket("/live")
            async def live(socket: WebSocket) -> None:
                await socket.accept()

            document = app.openapi()
            assert document["components"]["securitySchemes"] == {
                "ApiKey": {"type": "http", "scheme": "bearer", "description": "An API key"}
            }
            assert document["paths"]["/deals/{number}"]["get"]["security"] == [{"ApiKey": ["deals:read"]}]
            for method in ("post", "delete"):
                assert document["paths"]["/deals"][method]["security"] == [{"ApiKey": ["deals:write"]}]
            new = await kw.keys.create(name="CI", scopes="deals:read")
            assert (await Connection(path="/deals/7").key(new.api_key).to(app)).answer == {"key": "CI"}
            refused = await Connection(path="/deals", method="POST").key(new.api_key).to(app)
            assert (refused.status, refused.answer["code"]) == (403, "INSUFFICIENT_SCOPE")
            unfit = await Connection(path="/deals/seven").key(new.api_key).to(app)
            assert (unfit.status, "x-request-id" in unfit.headers) == (422, True)
            assert (await Connection("websocket", path="/live").to(app)).sent[0]["type"] == "websocket.accept"

    asyncio.run(run())


@pytest.mark.parametrize("late", [False, True])
def test_needs_that_nobody_meets_are_refused_when_a_route_is_declared(url: str, late: bool) -> None:
    options: dict[str, Any] = {"scopes": ["deals:read"], "limits": {"reads": {"rate": 60, "operation": "read"}}}
    kw: Any = (AsyncKeywright if late else Keywright)(url, brand="liq", pepper=PEPPER, **options)
    declared: list[Callable[..., Any]] = [install(FastAPI(), kw).requires, Guard(kw).requires, KeywrightPlugin(kw).requires]
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (["deals:raed"], {}, "scopes"),
        (["deals"], {}, "scopes"),
        (["deals:read"], {"environment": "production"}, "environment"),
        (["deals:read"], {"operation": "write"}, "operation"),
        (["deals:read"], {"access": "public"}, "access"),
        (None, {"access": "session"}, "access"),
        (None, {"cost": 0}, "cost"),
        ("deals:read", {"scope": "deals:read"}, "scope"),
    ]
    for requires in declared:
        for scopes, needs, field in wrong:
            with pytest.raises((ValidationFailed, InvalidRequest), match=rf"^{field}: "):
                requires(scopes, **needs)
    api_key = install(FastAPI(), kw)
    with pytest.raises(ValidationFailed, match=r"^access: "):
        api_key.needs(access="session")
    assert api_key.requires("deals:read", cost=2).scopes == ["deals:read"]
    assert not (Path(url.removeprefix("sqlite:")).exists() and late)


def test_a_guard_behind_a_guard_counts_nothing_again(url: str) -> None:
    async def run() -> None:
        async with engine(url, limits={"calls": {"rate": 2, "burst": 2}}) as kw:
            app = FastAPI()
            api_key = install(app, kw)

            @app.get("/deals")
            async def deals(key: Annotated[Key, Security(api_key, scopes=["deals:read"])]) -> Any:
                return {"key": key.name}

            guarded = KeywrightMiddleware(KeywrightMiddleware(app, kw), kw)
            new = await kw.keys.create(name="CI", scopes="deals:read")
            found = [await Connection(path="/deals").key(new.api_key).to(guarded) for _ in range(3)]
            assert [it.status for it in found] == [200, 200, 429]
            assert found[0].headers["ratelimit"] == '"calls";r=1;t=30'
            await kw.flush()
            counted = await kw.keys.get(new.id)
            assert (counted.usage_count, counted.denied_count) == (2, 1)

    asyncio.run(run())


def test_the_contract_without_asyncio(url: str) -> None:
    with Keywright(url, brand="liq", pepper=PEPPER) as kw:
        http = kw.http()
        new = kw.keys.create(name="CI")
        lines = [("Api-Key", new.api_key)]
        context = http.authenticate("GET", b"/", lines)
        assert isinstance(context, AuthContext)
        assert new.api_key not in repr(context)
        assert context.key is context.key is kw.authenticate(new.api_key)
        assert [name for name, _ in context.lacking([])] == [b"cache-control", b"vary", b"x-request-id"]
        assert [name for name, _ in context.lacking([("Cache-Control", "\u20ac"), ("X-A", "b")])] == [b"vary", b"x-request-id"]
        assert [name for name, _ in context.lacking([(b"Vary", b"a"), (b"X-Request-ID", b"b")])] == [b"cache-control", b"vary"]
        refused = http.authenticate("GET", b"/", [[b"api-key", b"x"]], "127.0.0.1", Needs(scopes="a:b"))
        assert isinstance(refused, Response)
        assert (refused.status, dict(refused.headers)[b"vary"]) == (401, b"authorization, api-key, x-api-key")
        odd: list[Any] = [7, [7], [("a",)], [(b"a", 7)], "ab"]
        for wrong in odd:
            with pytest.raises((TypeError, IndexError)):
                http.authenticate("GET", b"/", wrong)
        with pytest.raises(ValidationFailed, match=r"^scopes: "):
            Needs(scopes="deals")


def test_the_document_is_the_same_however_it_is_asked_for(url: str) -> None:
    with Keywright(url, brand="liq", pepper=PEPPER) as kw:
        document = kw.http().openapi()
        assert document["paths"]["/keys/{id}"]["patch"]["operationId"] == "updateKey"
        assert asyncio.run(AsyncHttp(kw).openapi()) == document
