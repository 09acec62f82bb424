"""WebSockets behind every adapter of ASGI: the key that opens one is judged, and a refused one is never accepted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, HTTPException, Request, Security, WebSocket
from fastapi.responses import JSONResponse
from litestar import Litestar
from litestar import WebSocket as LitestarSocket
from litestar import websocket as litestar_websocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from keywright import AsyncKeywright, Key
from keywright.asgi import KeywrightMiddleware
from keywright.fastapi import Refused, install
from keywright.litestar import KeywrightPlugin, get_api_key
from test_http import PEPPER, Connection

DENIAL: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}


def of_fastapi(kw: AsyncKeywright) -> Any:
    app = FastAPI()
    api_key = install(app, kw)

    @app.websocket("/in/feed")
    async def feed(socket: WebSocket, key: Annotated[Key, Security(api_key, scopes=["feed:read"])]) -> None:
        await socket.accept()
        await socket.send_text(key.name)

    return app


def of_fastapi_mounted(kw: AsyncKeywright) -> Any:
    """An application inside another, whose own handlers know nothing of a refusal."""

    async def mine(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"mine": True}, 418)

    app, inner = FastAPI(), FastAPI(exception_handlers={HTTPException: mine})
    api_key = install(app, kw)

    @inner.websocket("/feed", dependencies=[api_key.requires("feed:read", cost=1)])
    async def feed(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.keywright.key.name)

    app.mount("/in", inner)
    return app


def of_litestar(kw: AsyncKeywright) -> Any:
    keys = KeywrightPlugin(kw)

    @litestar_websocket("/in/feed", guards=[keys.requires("feed:read")])
    async def feed(socket: LitestarSocket[Any, Any, Any]) -> None:
        await socket.accept()
        key = get_api_key(socket)
        await socket.send_text(key.name if key else "")

    return Litestar([feed], plugins=[keys])


def of_starlette(kw: AsyncKeywright) -> Any:
    async def feed(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.keywright.key.name)

    rules = [{"path": "/in/feed", "scopes": "feed:read"}]
    return KeywrightMiddleware(Starlette(routes=[WebSocketRoute("/in/feed", feed)]), kw, routes=rules)


def of_plain_asgi(kw: AsyncKeywright) -> Any:
    async def feed(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["state"]["keywright"].key.name})

    return KeywrightMiddleware(feed, kw, routes=[{"path": "/in/feed", "scopes": "feed:read"}])


@pytest.mark.parametrize("made", [of_fastapi, of_fastapi_mounted, of_litestar, of_starlette, of_plain_asgi])
def test_a_socket_opens_with_a_key_alone(made: Callable[[AsyncKeywright], Any], tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:
            app = made(kw)
            read = (await kw.keys.create(name="CI", scopes="feed:read")).api_key
            none = (await kw.keys.create(name="none")).api_key
            opened = await socket().key(read).to(app)
            assert [it["type"] for it in opened.sent[:2]] == ["websocket.accept", "websocket.send"]
            assert (opened.sent[1]["text"], "x-request-id" in opened.headers) == ("CI", True)
            for refused, status in ((socket(**DENIAL), 401), (socket(**DENIAL).key("x"), 401), (socket(**DENIAL).key(none), 403)):
                answer = await refused.to(app)
                assert [it["type"] for it in answer.sent] == ["websocket.http.response.start", "websocket.http.response.body"]
                assert (answer.status, json.loads(answer.sent[1]["body"])["status"]) == (status, status)
            # A server that knows no such answer refuses with 403 by itself.
            assert (await socket().to(app)).sent == [{"type": "websocket.close", "code": 1008}]

    asyncio.run(run())


def test_a_socket_like_those_of_channels_says_less_of_itself(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:
            read = (await kw.keys.create(name="CI", scopes="feed:read")).api_key
            lines = [(b"api-key", read.encode())]
            bare = Connection("websocket")
            bare.scope = {"type": "websocket", "path": "/in/feed", "query_string": b"", "headers": lines, "subprotocols": []}
            assert (await bare.to(of_plain_asgi(kw))).sent[0]["type"] == "websocket.accept"
            bare = Connection("websocket")
            bare.scope = {"type": "websocket", "path": "/in/feed", "query_string": b"", "headers": [], "subprotocols": []}
            assert (await bare.to(of_plain_asgi(kw))).sent == [{"type": "websocket.close", "code": 1008}]

    asyncio.run(run())


def test_a_handler_that_goes_on_after_a_refusal_ends_the_conversation_itself(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:
            app = FastAPI()
            api_key = install(app, kw)

            async def accepted(socket: WebSocket) -> None:
                await socket.accept()

            @app.websocket("/own")
            async def own(socket: WebSocket) -> None:
                await socket.accept()
                await socket.close(4401)

            @app.exception_handler(Refused)
            async def going_on(socket: WebSocket, _refused: Refused) -> None:
                await own(socket)

            @app.websocket("/caught", dependencies=[api_key.requires("feed:read")])
            async def caught(socket: WebSocket) -> None:
                raise AssertionError

            found = await socket(path="/caught").to(app)
            assert [(it["type"], it.get("code")) for it in found.sent] == [("websocket.accept", None), ("websocket.close", 4401)]

            late = FastAPI()
            api_key = install(late, kw)
            late.websocket("/late", dependencies=[Security(accepted), api_key.requires("feed:read")])(caught)
            found = await socket(path="/late", **DENIAL).to(late)
            assert [(it["type"], it.get("code")) for it in found.sent] == [("websocket.accept", None), ("websocket.close", 1008)]

    asyncio.run(run())


def socket(path: str = "/in/feed", **scope: Any) -> Connection:
    connection = Connection("websocket", path=path, **scope)
    # The request that opens a WebSocket has no method of its own.
    del connection.scope["method"]
    return connection
