"""The test app on FastAPI."""

from typing import Annotated

import setup
from fastapi import FastAPI, HTTPException, Request, Response, Security

from keywright import Key
from keywright.fastapi import install

kw, given = setup.read()
principal = given["principal"]
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
api_key = install(app, kw, **given["http"])
who = principal and (lambda request: principal)
if "path" not in given["http"]:
    app.mount("/manage", api_key.management(who))

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]


class Failure(Exception):
    """An unexpected error of a handler."""


@app.api_route("/{path:path}", methods=METHODS)
async def routes(request: Request, response: Response, key: Annotated[Key | None, Security(api_key)]):
    path = request.url.path
    if path == "/fail":
        raise HTTPException(418)
    if path == "/crash":
        raise Failure
    if path == "/count":
        response.status_code = 201
        response.headers["location"] = "/counted"
        return setup.counted(request.scope["query_string"])
    if path == "/own":
        response.headers["cache-control"] = "private"
        response.headers["vary"] = "accept"
    return setup.told(request.state.keywright)


setup.serve(api_key.management(who, app) if "path" in given["http"] else app)
