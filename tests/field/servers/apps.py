"""The same routes and rules in each framework: ``apps.flask()``, ``apps.fastapi()`` and so on. ``DATABASE`` names the database."""

import os
import sys
from typing import Any

from keywright import AsyncKeywright, Keywright

RULES = [
    {"path": "/static/{*rest}", "access": "public"},
    {"path": "/deals/public", "access": "public"},
    {"path": "/deals/{name}", "scopes": "deals:admin"},
]
OPTIONS = {"brand": "acme", "pepper": "a pepper of 32 bytes for servers"}
# If a server takes the mount from a header, the host names the one that it expects.
HTTP: dict[str, Any] = {"routes": RULES} | ({"mount": os.environ["MOUNT"]} if "MOUNT" in os.environ else {})
PATHS = ("/static/", "/deals/")


def url() -> str:
    return os.environ["DATABASE"]


def answer(path: str) -> bytes | None:
    """The answer of each handler: the path that its router has seen."""
    return f"seen {path}".encode() if path.startswith(PATHS) else None


def plain_wsgi() -> Any:
    from keywright.wsgi import KeywrightMiddleware

    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = answer(environ["PATH_INFO"])
        start_response("404 Not Found" if body is None else "200 OK", [("content-type", "text/plain")])
        return [body or b""]

    return KeywrightMiddleware(app, Keywright(url(), **OPTIONS), **HTTP)


def flask() -> Any:
    from flask import Flask, request

    from keywright.flask import Guard

    app = Flask("apps", static_folder=None)
    app.before_request(Guard(Keywright(url(), **OPTIONS), app, **HTTP))
    app.add_url_rule("/static/<path:rest>", "files", lambda rest: answer(request.path))
    app.add_url_rule("/deals/<name>", "deals", lambda name: answer(request.path))
    return app


def _django() -> None:
    import django
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import path

    me = sys.modules[__name__]
    options = {"url": url(), **OPTIONS, "http": HTTP}
    guard = ["keywright.django.middleware.KeywrightMiddleware"]
    settings.configure(SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=me, MIDDLEWARE=guard, KEYWRIGHT=options, LOGGING_CONFIG=None)
    views = [("static/<path:rest>", "rest"), ("deals/<str:name>", "name")]
    vars(me)["urlpatterns"] = [path(route, lambda request, **_: HttpResponse(answer(request.path_info))) for route, _ in views]
    django.setup()


def django_wsgi() -> Any:
    from django.core.wsgi import get_wsgi_application

    _django()
    return get_wsgi_application()


def django_asgi() -> Any:
    from django.core.asgi import get_asgi_application

    _django()
    return get_asgi_application()


def plain_asgi() -> Any:
    """A router that matches the whole path, because it knows no mounts."""
    from keywright.asgi import KeywrightMiddleware

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = answer(scope["path"])
        await send({"type": "http.response.start", "status": 404 if body is None else 200, "headers": []})
        await send({"type": "http.response.body", "body": body or b""})

    return KeywrightMiddleware(app, AsyncKeywright(url(), **OPTIONS), **HTTP)


def _routes() -> list[Any]:
    from starlette._utils import get_route_path
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def seen(request: Any) -> Any:
        return PlainTextResponse(answer(get_route_path(request.scope)))

    return [Route("/static/{rest:path}", seen), Route("/deals/{name}", seen)]


def starlette() -> Any:
    from starlette.applications import Starlette

    from keywright.asgi import KeywrightMiddleware

    return KeywrightMiddleware(Starlette(routes=_routes()), AsyncKeywright(url(), **OPTIONS), **HTTP)


def fastapi() -> Any:
    from fastapi import FastAPI, Request, Response, Security
    from starlette._utils import get_route_path

    from keywright.fastapi import install

    app = FastAPI()
    api_key = install(app, AsyncKeywright(url(), **OPTIONS), **HTTP)

    @app.get("/static/{rest:path}", dependencies=[Security(api_key)])
    @app.get("/deals/{name}", dependencies=[Security(api_key)])
    def seen(request: Request) -> Response:
        return Response(answer(get_route_path(request.scope)))

    return app


def litestar() -> Any:
    from litestar import Litestar, Request, get

    from keywright.litestar import KeywrightPlugin

    keys = KeywrightPlugin(AsyncKeywright(url(), **OPTIONS), **HTTP)

    @get(["/static/{rest:path}", "/deals/{name:str}"])
    async def seen(request: Request[Any, Any, Any]) -> bytes:
        return answer(request.scope["path"]) or b""

    return Litestar([seen], plugins=[keys], guards=[keys.requires()])
