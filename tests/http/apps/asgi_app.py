"""The test app on plain ASGI."""

import json

import setup

from keywright.asgi import KeywrightMiddleware, Management

kw, given = setup.read()
principal = given["principal"]


class Failure(Exception):
    """An unexpected error of a handler."""


async def routes(scope, receive, send):
    path = scope["path"]
    status, headers = {"/fail": 418}.get(path, 200), [(b"content-type", b"application/json")]
    if path == "/crash":
        raise Failure
    if path == "/own":
        headers += [(b"cache-control", b"private"), (b"vary", b"accept")]
    shown = setup.told(scope["state"]["keywright"])
    if path == "/count":
        status, shown = 201, setup.counted(scope["query_string"])
        headers += [(b"location", b"/counted")]
    body = b"" if scope["method"] == "HEAD" else json.dumps(shown).encode()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


guarded = KeywrightMiddleware(routes, kw, **given["http"])
among_others = "path" in given["http"]
management = Management(kw, principal and (lambda scope: principal), guarded if among_others else None, **given["http"])


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["path"].startswith("/manage/") or scope["path"] == "/manage":
        await management({**scope, "root_path": "/manage"}, receive, send)
        return
    await guarded(scope, receive, send)


setup.serve(management if among_others else app)
