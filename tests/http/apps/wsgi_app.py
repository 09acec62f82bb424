"""The test app on plain WSGI."""

import json

import setup

from keywright.wsgi import KeywrightMiddleware, Management

kw, given = setup.read()
principal = given["principal"]


class Failure(Exception):
    """An unexpected error of a handler."""


def routes(environ, start_response):
    path = environ["PATH_INFO"]
    status, headers = {"/fail": "418 I'm a teapot"}.get(path, "200 OK"), [("content-type", "application/json")]
    if path == "/crash":
        raise Failure
    if path == "/own":
        headers += [("cache-control", "private"), ("vary", "accept")]
    shown = setup.told(environ["keywright"])
    if path == "/count":
        status, shown = "201 Created", setup.counted(environ["QUERY_STRING"].encode())
        headers += [("location", "/counted")]
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else json.dumps(shown).encode()
    start_response(status, headers)
    return [body]


guarded = KeywrightMiddleware(routes, kw, **given["http"])
among_others = "path" in given["http"]
management = Management(kw, principal and (lambda environ: principal), guarded if among_others else None, **given["http"])


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/manage/") or path == "/manage":
        below = {**environ, "SCRIPT_NAME": "/manage", "PATH_INFO": path.removeprefix("/manage")}
        return management(below, start_response)
    return guarded(environ, start_response)


setup.serve_wsgi_with_waitress(management if among_others else app)
