"""One framework with its usual CORS layer in front of the guard, and without one: the answer to a browser's preflight."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import uvicorn

from keywright import AsyncKeywright, Keywright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = "https://app.example"
PEPPER = "a pepper for these tests, of 32 bytes and more"
ran: list[str] = []


def engine(kind: Any = AsyncKeywright) -> Any:
    return kind(f"sqlite:{tempfile.mkdtemp()}/keys.db", brand="acme", pepper=PEPPER)


def asgi(has_cors: bool) -> Any:
    from starlette.middleware.cors import CORSMiddleware

    from keywright.asgi import KeywrightMiddleware

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        ran.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    app = KeywrightMiddleware(handler, engine())
    return CORSMiddleware(app, allow_origins=[PAGE], allow_methods=["DELETE"], allow_headers=["Authorization"]) if has_cors else app


def fastapi(has_cors: bool) -> Any:
    from fastapi import FastAPI, Security
    from fastapi.middleware.cors import CORSMiddleware

    from keywright.fastapi import install

    app = FastAPI()
    api_key = install(app, engine())

    @app.api_route("/deals", methods=["DELETE", "OPTIONS"], dependencies=[Security(api_key)])
    async def deals() -> None:
        ran.append("deals")

    if has_cors:
        app.add_middleware(CORSMiddleware, allow_origins=[PAGE], allow_methods=["DELETE"], allow_headers=["Authorization"])
    return app


def litestar(has_cors: bool) -> Any:
    from litestar import HttpMethod, Litestar, route
    from litestar.config.cors import CORSConfig

    from keywright.litestar import KeywrightPlugin

    keys = KeywrightPlugin(engine())
    methods = [HttpMethod.DELETE] if has_cors else [HttpMethod.DELETE, HttpMethod.OPTIONS]

    @route("/deals", http_method=methods, guards=[keys.requires()], status_code=200)
    async def deals() -> str:
        ran.append("deals")
        return "done"

    cors = CORSConfig(allow_origins=[PAGE], allow_methods=["DELETE"], allow_headers=["Authorization"]) if has_cors else None
    return Litestar([deals], plugins=[keys], cors_config=cors)


def flask(has_cors: bool) -> Any:
    from flask import Flask
    from flask_cors import CORS

    from keywright.flask import Guard

    app = Flask(__name__)
    guard = Guard(engine(Keywright), app)
    app.before_request(guard)

    @app.route("/deals", methods=["DELETE", "OPTIONS"], provide_automatic_options=False)
    def deals() -> str:
        ran.append("deals")
        return "done"

    if has_cors:
        CORS(app, origins=[PAGE], methods=["DELETE"], allow_headers=["Authorization"])
    return app


def django(has_cors: bool, has_drf: bool = False) -> Any:
    from django import setup
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.urls import path

    cors = ["corsheaders.middleware.CorsMiddleware"] if has_cors else []
    settings.configure(
        SECRET_KEY="of these tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["corsheaders", "keywright.django"],
        MIDDLEWARE=[*cors, "keywright.django.middleware.HeadersMiddleware"],
        CORS_ALLOWED_ORIGINS=[PAGE],
        KEYWRIGHT={"url": f"sqlite:{tempfile.mkdtemp()}/keys.db", "brand": "acme", "pepper": PEPPER},
        REST_FRAMEWORK={"EXCEPTION_HANDLER": "keywright.django.drf.exception_handler", "UNAUTHENTICATED_USER": None},
    )
    setup()
    from django.http import HttpResponse
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from keywright.django import requires
    from keywright.django.drf import HasScopes, KeyAuthentication

    @requires()
    def deals(request: Any) -> HttpResponse:
        ran.append("deals")
        return HttpResponse("done")

    class Deals(APIView):
        authentication_classes = (KeyAuthentication,)
        permission_classes = (HasScopes("deals:write"),)

        def options(self, request: Any) -> Response:
            ran.append("deals")
            return Response({})

    sys.modules[__name__].urlpatterns = [path("deals", Deals.as_view() if has_drf else deals)]  # type: ignore[attr-defined]
    return get_wsgi_application()


def drf(has_cors: bool) -> Any:
    return django(has_cors, has_drf=True)


@contextmanager
def served(app: Any, is_wsgi: bool) -> Iterator[int]:
    if is_wsgi:

        class Quiet(WSGIRequestHandler):
            def log_message(self, *_: Any) -> None: ...

        with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()
        return
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", proxy_headers=False))
    ready: threading.Event = threading.Event()

    async def serving() -> None:
        task = asyncio.create_task(server.serve())
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        ready.set()
        await task

    thread = threading.Thread(target=asyncio.run, args=(serving(),))
    thread.start()
    ready.wait(300)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def asked(port: int) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
    connection.request("OPTIONS", "/deals", headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer


def main(name: str, has_cors: bool) -> None:
    make: Callable[[bool], Any] = globals()[name]
    with served(make(has_cors), name in ("flask", "django", "drf")) as port:
        answer = asked(port)
    assert not ran, f"{name}: the handler ran"
    allowed = answer.headers["access-control-allow-origin"]
    if has_cors:
        assert 200 <= answer.status < 300, answer.status
        assert allowed == PAGE, allowed
        assert "DELETE" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    else:
        assert (answer.status, allowed) == (204, None), (answer.status, allowed)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        main(sys.argv[1], has_cors=sys.argv[2] == "cors")
    else:
        for mode in ("cors", "alone"):
            subprocess.run([sys.executable, __file__, sys.argv[1], mode], check=True)
