"""The test app on Litestar."""

import json
from typing import Any

import setup
from litestar import Litestar, asgi
from litestar.exceptions import HTTPException

from keywright.asgi import Management
from keywright.litestar import KeywrightPlugin

kw, given = setup.read()
principal = given["principal"]
among_others = "path" in given["http"]
keys = KeywrightPlugin(kw, manage=None if among_others else "/manage", principal=principal and (lambda request: principal), **given["http"])


class Failure(Exception):
    """An unexpected error of a handler."""


MOUNTS = ["/v1", "/V1", "/health", "/Health", "/fail", "/crash", "/own", "/count"]
BESIDE = ["/api-keys", "/api-keysx", "/keys", "/whoami", "/forward-auth"]


# Litestar routes only the common methods, except to mounted applications.
@asgi([*MOUNTS, *(BESIDE if among_others else [])], is_mount=True, copy_scope=True)
async def routes(scope: Any, receive: Any, send: Any) -> None:
    path, headers = scope["raw_path"], [(b"content-type", b"application/json")]
    if path == b"/fail":
        raise HTTPException(status_code=418)
    if path == b"/crash":
        raise Failure
    if path == b"/own":
        headers += [(b"cache-control", b"private"), (b"vary", b"accept")]
    status, shown = 200, setup.told(scope["state"]["keywright"])
    if path == b"/count":
        status, shown = 201, setup.counted(scope["query_string"])
        headers += [(b"location", b"/counted")]
    body = b"" if scope["method"] == "HEAD" else json.dumps(shown).encode()
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = Litestar([routes], plugins=[keys], guards=[keys.requires()], openapi_config=None)
setup.serve(Management(keys.http, principal and (lambda scope: principal), app) if among_others else app)
