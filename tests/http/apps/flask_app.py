"""The test app on Flask."""

import setup
from flask import Flask, abort, g, jsonify, request

from keywright.flask import Guard

kw, given = setup.read()
principal = given["principal"]
app = Flask(__name__)
guard = Guard(kw, app, **given["http"])
guard.mount(app, None if "path" in given["http"] else "/manage", principal and (lambda: principal))
app.before_request(guard)

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]


class Failure(Exception):
    """An unexpected error of a handler."""


@app.route("/", methods=METHODS)
@app.route("/<path:path>", methods=METHODS)
def routes(path=""):
    if path == "fail":
        abort(418)
    if path == "crash":
        raise Failure
    if path == "count":
        return setup.counted(request.query_string), 201, {"location": "/counted"}
    response = jsonify(setup.told(g.keywright))
    if path == "own":
        response.headers["cache-control"] = "private"
        response.headers["vary"] = "accept"
    return response


setup.serve_wsgi(app)
