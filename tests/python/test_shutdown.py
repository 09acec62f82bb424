"""The end of a server: what was counted is written down and events are handed out, and what comes later is refused."""

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from litestar import Litestar
from litestar import get as litestar_get
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from keywright import AsyncKeywright, Event, Keywright
from keywright.asgi import KeywrightMiddleware, Management
from keywright.fastapi import install
from keywright.flask import Guard
from keywright.http import SyncHttp
from keywright.litestar import KeywrightPlugin
from keywright.wsgi import KeywrightMiddleware as WsgiMiddleware
from test_http import PEPPER, Connection
from waiting import PATIENCE


def of_fastapi(kw: Any) -> Any:
    app = FastAPI()
    app.get("/", dependencies=[install(app, kw).requires()])(lambda: {})
    return app


def of_starlette(kw: Any) -> Any:
    return KeywrightMiddleware(Starlette(routes=[Route("/", lambda _: PlainTextResponse(""))]), kw)


def of_litestar(kw: Any) -> Any:
    keys = KeywrightPlugin(kw)

    @litestar_get("/", guards=[keys.requires()])
    async def hello() -> dict[str, str]:
        return {}

    return Litestar([hello], plugins=[keys])


@pytest.mark.parametrize("made", [of_fastapi, of_starlette, of_litestar])
@pytest.mark.parametrize("form", [AsyncKeywright, Keywright])
def test_the_end_of_a_lifespan_flushes(made: Callable[[Any], Any], form: Any, tmp_path: Path) -> None:
    """Again and again: an engine that a test client starts and stops with goes on."""
    heard: list[str] = []

    def listen(event: Event) -> None:
        time.sleep(0.05)
        heard.append(event.kind)

    async def run() -> None:
        url = f"sqlite:{tmp_path}/keys.db"
        with Keywright(url, brand="liq", pepper=PEPPER) as beside:
            key = beside.keys.create(name="CI")
            kw = form(url, brand="liq", pepper=PEPPER, on_event=listen)
            app = made(kw)
            for turn in (1, 2):
                async with Lifespan(app):
                    assert (await Connection().key(key.api_key).to(app)).status == 200
                    made_now = kw.keys.create(name="new")
                    await made_now if asyncio.iscoroutine(made_now) else None
                assert beside.keys.get(key.id).usage_count == turn
                assert heard == ["created"] * turn
            closed = kw.close()
            await closed if asyncio.iscoroutine(closed) else None
            assert (await Connection().key(key.api_key).to(app)).status == 503
            async with Lifespan(app):
                pass

    asyncio.run(run())


class Lifespan:
    """The messages of a server to an application at its start and at its end."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __aenter__(self) -> None:
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.said: asyncio.Queue[Any] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self.task = asyncio.create_task(self.app(scope, self.told.get, self.said.put))
        await self.tell("startup")

    async def __aexit__(self, *_: object) -> None:
        await self.tell("shutdown")
        await self.task

    async def tell(self, what: str) -> None:
        await self.told.put({"type": f"lifespan.{what}"})
        said = asyncio.create_task(self.said.get())
        await asyncio.wait({said, self.task}, return_when=asyncio.FIRST_COMPLETED)
        assert said.done(), self.task.result()
        assert said.result()["type"] == f"lifespan.{what}.complete"


def test_a_closed_engine_refuses_with_503_in_every_adapter(tmp_path: Path) -> None:
    kw = Keywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER)
    text = kw.keys.create(name="CI").api_key
    from flask import Flask

    flask = Flask(__name__)
    flask.get("/")(Guard(kw, flask).requires()(lambda: {}))
    wsgi = WsgiMiddleware(lambda _environ, _start: [b""], kw)
    statuses: list[str] = []

    async def asgi() -> list[int]:
        apps = [of_fastapi(kw), of_starlette(kw), of_litestar(kw), Management(kw)]
        return [(await Connection(path="/keys" if isinstance(it, Management) else "/").key(text).to(it)).status for it in apps]

    assert flask.test_client().get("/", headers={"api-key": text}).status_code == 200
    kw.close()
    assert flask.test_client().get("/", headers={"api-key": text}).status_code == 503
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_API_KEY": text}
    list(wsgi(environ, lambda status, *_: statuses.append(status)))  # type: ignore[arg-type]
    assert statuses == ["503 Service Unavailable"]
    assert asyncio.run(asgi()) == [503] * 4
    answer = SyncHttp(kw).manage("GET", b"/keys", [(b"api-key", text.encode())], None, b"")
    assert answer.status == 503


PROGRAM = """
import os
from keywright import AsyncKeywright

def listen(event):
    with open("heard", "a") as file:
        file.write(event.kind + "\\n")

kw = AsyncKeywright("sqlite:keys.db", brand="liq", pepper=os.environ["PEPPER"], on_event=listen)
"""
APPS = {
    "fastapi": """
from fastapi import FastAPI
from keywright.fastapi import install
app = FastAPI()
app.get("/", dependencies=[install(app, kw).requires()])(lambda: {})
""",
    "middleware": """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from keywright.asgi import KeywrightMiddleware
app = KeywrightMiddleware(Starlette(routes=[Route("/", lambda _: PlainTextResponse(""))]), kw)
""",
    "litestar": """
from litestar import Litestar, get
from keywright.litestar import KeywrightPlugin
keys = KeywrightPlugin(kw)
@get("/", guards=[keys.requires()])
async def hello() -> dict[str, str]:
    return {}
app = Litestar([hello], plugins=[keys])
""",
}


@pytest.mark.parametrize("kind", APPS)
def test_counts_arrive_when_uvicorn_is_told_to_stop(kind: str, tmp_path: Path) -> None:
    """It raises the signal again when it is done, which ends the process before Python is."""
    with Keywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:
        key = kw.keys.create(name="CI")
        (tmp_path / "served.py").write_text(PROGRAM + textwrap.dedent(APPS[kind]))
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            command = [sys.executable, "-m", "uvicorn", "--fd", str(held.fileno()), "--no-proxy-headers", "served:app"]
            running = subprocess.Popen(
                command, cwd=tmp_path, env=os.environ | {"PEPPER": PEPPER}, pass_fds=[held.fileno()], stdout=subprocess.DEVNULL
            )
            try:
                for _ in range(5):
                    asked = http.client.HTTPConnection("127.0.0.1", held.getsockname()[1], timeout=PATIENCE)
                    asked.request("GET", "/", headers={"api-key": key.api_key, "connection": "close"})
                    assert asked.getresponse().status == 200
                    asked.close()
                running.send_signal(signal.SIGTERM)
                running.wait(timeout=PATIENCE)
            finally:
                running.kill()
        assert kw.keys.get(key.id).usage_count == 5
