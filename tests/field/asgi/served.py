"""One application in each framework: a route and a WebSocket, both for keys with one scope."""

import os
from typing import Annotated, Any

from fastapi import FastAPI, Security, WebSocket
from litestar import Litestar, get, websocket
from litestar import WebSocket as LitestarSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from keywright import AsyncKeywright, Key
from keywright.asgi import KeywrightMiddleware
from keywright.fastapi import install
from keywright.litestar import KeywrightPlugin, get_api_key

kw = AsyncKeywright(os.environ["URL"], brand="acme", pepper=os.environ["PEPPER"])


def of_fastapi() -> Any:
    app = FastAPI()
    api_key = install(app, kw)

    @app.get("/")
    async def hello(key: Annotated[Key, Security(api_key, scopes=["feed:read"])]) -> str:
        return key.name

    @app.websocket("/feed")
    async def feed(socket: WebSocket, key: Annotated[Key, Security(api_key, scopes=["feed:read"])]) -> None:
        await socket.accept()
        await socket.send_text(key.name)
        await socket.close()

    return app


def of_starlette() -> Any:
    async def hello(request: Any) -> PlainTextResponse:
        return PlainTextResponse(request.state.keywright.key.name)

    async def feed(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.keywright.key.name)
        await socket.close()

    rules = [{"path": path, "scopes": "feed:read"} for path in ("/", "/feed")]
    return KeywrightMiddleware(Starlette(routes=[Route("/", hello), WebSocketRoute("/feed", feed)]), kw, routes=rules)


def of_litestar() -> Any:
    keys = KeywrightPlugin(kw)

    @get("/", guards=[keys.requires("feed:read")])
    async def hello() -> str:
        return ""

    @websocket("/feed", guards=[keys.requires("feed:read")])
    async def feed(socket: LitestarSocket[Any, Any, Any]) -> None:
        await socket.accept()
        key = get_api_key(socket)
        await socket.send_text(key.name if key else "")
        await socket.close()

    return Litestar([hello, feed], plugins=[keys])


app = {"fastapi": of_fastapi, "litestar": of_litestar, "starlette": of_starlette}[os.environ["APP"]]()
