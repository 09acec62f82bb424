"""Litestar, where vectors over HTTP cannot look: handlers with guards, its OpenAPI document, mistakes of the host."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from litestar import Controller, Litestar, Request, get, post
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromPath

from keywright import AsyncKeywright, InvalidRequest, ValidationFailed
from keywright.http import AuthContext
from keywright.litestar import KeywrightPlugin, get_api_key
from test_http import Connection

PEPPER = "a pepper for these tests, of 32 bytes and more"


@pytest.fixture
def async_engine(tmp_path: Path) -> AsyncKeywright:
    return AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER)


def told(request: Request[Any, Any, Any]) -> dict[str, Any]:
    key, context = get_api_key(request), getattr(request.state, "keywright", None)
    assert context is None or isinstance(context, AuthContext)
    return {"key": key and key.name}


def test_wrong_options_are_refused_when_it_is_made(async_engine: AsyncKeywright) -> None:
    wrong: list[dict[str, Any]] = [{"rutes": []}, {"errors": "xml"}, {"routes": [{"path": "a"}]}]
    for options in wrong:
        with pytest.raises((InvalidRequest, ValidationFailed)):
            KeywrightPlugin(async_engine, **options)
    with pytest.raises(ValidationFailed, match=r"^scopes: "):
        KeywrightPlugin(async_engine).requires("deals")


def test_guards_say_what_handlers_need(async_engine: AsyncKeywright) -> None:
    keys = KeywrightPlugin(async_engine, header="X-API-Key")

    @get("/deals/{number:int}", guards=[keys.requires(["deals:read"])])
    async def deals(request: Request[Any, Any, Any], number: FromPath[int]) -> dict[str, Any]:
        return {**told(request), "number": 1 // number}

    @post("/deals", guards=[keys.requires("deals:read, deals:write", cost=2)])
    async def make(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return told(request)

    @get("/open")
    async def open(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return told(request)

    theirs = Components(security_schemes={"Login": SecurityScheme(type="http", scheme="basic")})
    app = Litestar([deals, make, open], plugins=[keys], openapi_config=OpenAPIConfig("Deals", "1", components=theirs))

    async def run() -> None:
        read = (await async_engine.keys.create(name="CI", scopes="deals:read")).api_key
        found = await Connection(path="/deals/1").key(read).to(app)
        assert (found.answer, found.headers["vary"]) == ({"key": "CI", "number": 1}, "authorization, api-key, x-api-key")
        refused = await Connection(path="/deals", method="POST").key(read).to(app)
        assert (refused.status, refused.answer["code"], refused.headers["content-type"]) == (
            403,
            "INSUFFICIENT_SCOPE",
            "application/problem+json",
        )
        crashed = await Connection(path="/deals/0").key(read).to(app)
        assert (crashed.status, "x-request-id" in crashed.headers) == (500, True)
        assert (await Connection(path="/open").to(app)).answer == {"key": None}
        assert (await Connection(path="/nowhere").to(app)).status == 404
        await async_engine.close()
        assert (await Connection(path="/deals/1").key(read).to(app)).status == 503

    asyncio.run(run())
    document = app.openapi_schema.to_schema()
    assert document["components"]["securitySchemes"] == {
        "ApiKey": {"type": "apiKey", "name": "X-API-Key", "in": "header"},
        "Login": {"type": "http", "scheme": "basic"},
    }
    assert document["paths"]["/deals/{number}"]["get"]["security"] == [{"ApiKey": ["deals:read"]}]
    assert document["paths"]["/deals"]["post"]["security"] == [{"ApiKey": ["deals:read", "deals:write"]}]
    assert "security" not in document["paths"]["/open"]["get"]


def test_guards_of_the_whole_application_leave_management_alone(async_engine: AsyncKeywright) -> None:
    def known(request: Request[Any, Any, Any]) -> Any:
        return {"org": "acme", "may": "keys:read"} if request.headers.get("x-user") else None

    async def known_later(request: Request[Any, Any, Any]) -> Any:
        return known(request)

    async def run(principal: Callable[[Any], Any]) -> None:
        rules = [{"path": "/all/one", "scopes": "deals:read"}, {"path": "/all/open", "access": "public"}]
        keys = KeywrightPlugin(async_engine, manage="/keys/admin", principal=principal, routes=rules)

        class All(Controller):
            path = "/all"

            @get(["/one", "/open", "/two"], guards=[keys.requires(access="public")])
            async def one(self, request: Request[Any, Any, Any]) -> dict[str, Any]:
                return told(request)

        app = Litestar([All], plugins=[keys], guards=[keys.requires()])
        read = (await async_engine.keys.create(name="CI", scopes="deals:read")).api_key
        statuses = [(await Connection(path=f"/all/{it}").key(read).to(app)).status for it in ("one", "open", "two")]
        assert statuses == [200, 200, 403]
        assert (await Connection(path="/all/one").to(app)).status == 401
        assert (await Connection(path="/keys/admin/keys").to(app)).status == 401
        user = [(b"x-user", b"alice")]
        assert (await Connection(path="/keys/admin/keys", headers=user).to(app)).status == 200
        assert (await Connection(path="/keys/admin/audit", headers=user).to(app)).status == 403
        respelt = Connection(path="/keys/admin/keys", headers=user)
        respelt.scope["raw_path"] = b"/keys/%61dmin/keys"
        assert (await respelt.to(app)).status == 404

    for principal in (known, known_later):
        asyncio.run(run(principal))
    asyncio.run(async_engine.close())
