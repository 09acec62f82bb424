"""Keywright for Flask: an extension that guards an application or single views, and key management below one of its paths."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Flask, Response, current_app, g, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from keywright import AsyncKeywright, Key, Keywright
from keywright import http as contract
from keywright.environ import body, parts
from keywright.wsgi import Management

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["Guard", "get_api_key"]

V = TypeVar("V", bound=Callable[..., Any])


class Guard:
    """The extension: ``guard = Guard(kw, app)``, or ``guard.init_app(app)`` later.

    ``@guard.requires("deals:read")`` guards a view. ``app.before_request(guard)`` guards all views by the rules of their paths. A view
    reads the context of its request, an ``AuthContext``, from ``g.keywright``, and its key from ``get_api_key()``.

    keywright: a ``Keywright``, or an ``AsyncKeywright``, which opens with the first request.
    options: the options of ``Keywright.http``. Wrong ones raise here.
    """

    def __init__(self, keywright: Keywright | AsyncKeywright, app: Flask | None = None, **options: Any) -> None:
        self.http: contract.SyncHttp = contract.SyncHttp(keywright, **options)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Adds the headers of the contract to every response of a request that was let through, including errors.

        Views may return keys and pages.
        """
        app.extensions["keywright"] = self
        app.after_request(self._answered)
        app.teardown_request(self._broken_off)
        if isinstance(app.json, DefaultJSONProvider):
            others = app.json.default
            app.json.default = lambda it: dict(it) if isinstance(it, contract.RECORDS) else others(it)

    def __call__(self) -> Response | None:
        """Authenticates a request by the rule of its path, for ``before_request`` of an application or a blueprint."""
        return self._refusal(None)

    def requires(self, scopes: str | list[str] | None = None, **needs: Any) -> Callable[[V], V]:
        """Guards a view by its needs: scopes, and the other arguments of ``Needs``. Without any, the rule of its path applies."""
        needed = self.http.needs(scopes, **needs)

        def guarding(view: V) -> V:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                refusal = self._refusal(needed)
                return current_app.ensure_sync(view)(*args, **kwargs) if refusal is None else refusal

            return cast("V", guarded)

        return guarding

    def mount(self, app: Flask, path: str | None = None, principal: Callable[[], Any] | None = None) -> None:
        """Serves key management.

        path: the path of management; None with the option ``path``, which places it among the routes of the application.
        principal: a function of yours that returns a dict of ``org``, ``actor`` and ``may`` for the caller of the current request.
            Without it, or when it returns None, the session token or key of the request counts.
        """

        def known(environ: dict[str, Any]) -> Any:
            with app.request_context(environ):
                return app.ensure_sync(principal)() if principal is not None else None

        routes: WSGIApplication = app.wsgi_app
        if path is None:
            routes = Management(self.http, known, routes)
        else:
            routes = DispatcherMiddleware(routes, {path: Management(self.http, known)})
        app.wsgi_app = routes  # type: ignore[method-assign]

    def _refusal(self, needs: contract.Needs | None) -> Response | None:
        environ = request.environ
        answer = self.http.authenticate(*parts(environ), needs, g.get("keywright") or environ.get("keywright"))
        if isinstance(answer, contract.AuthContext):
            g.keywright = answer
            repeated = self._repeated(answer) if answer.once else None
            if not isinstance(repeated, contract.Response):
                return repeated
            answer = repeated
        g.pop("keywright", None)
        refusal = Response(answer.body, answer.status)
        refusal.headers = type(refusal.headers)((name.decode(), value.decode()) for name, value in answer.headers)
        return refusal

    def _repeated(self, context: contract.AuthContext) -> contract.Response | Response | None:
        """Returns the stored response of a repeated request, or that to a body that breaks off; None if the request must run."""
        content = _looked_at() if {"stream", "_cached_data"} & vars(request).keys() else body(request.environ, contract.LARGEST_ONCE)
        if content is None:
            return Response(status=400)
        request.environ["wsgi.input"] = io.BytesIO(content)
        turn = self.http.once(context, content)
        if isinstance(turn, contract.Response):
            return turn
        g.keywright_lease = turn
        return None

    def _answered(self, response: Response) -> Response:
        lease: contract.Lease | None = g.pop("keywright_lease", None)
        if lease is not None:
            try:
                kept = _kept(response)
            except BaseException:
                self.http.release(lease)
                raise
            self.http.finish(lease, response.status_code, list(response.headers), kept)
        context: contract.AuthContext | None = g.get("keywright")
        if context is not None:
            for name, value in context.lacking(response.headers):
                response.headers.add(name.decode(), value.decode())
        return response

    def _broken_off(self, _error: BaseException | None) -> None:
        lease: contract.Lease | None = g.pop("keywright_lease", None)
        if lease is not None:
            self.http.release(lease)


def _kept(response: Response) -> bytes:
    """Returns the body to store. A stream counts as too long, unless it has a length, as the errors of Flask do."""
    told = response.headers.get("content-length", contract.LARGEST_KEPT + 1)
    is_long = response.direct_passthrough or (response.is_streamed and int(told) > contract.LARGEST_KEPT)
    return bytes(contract.LARGEST_KEPT + 1) if is_long else response.get_data()


def _looked_at() -> bytes:
    """Returns the body of a request that an earlier function may have read."""
    content = request.get_data()
    if not content and (request.content_length or request.environ.get("wsgi.input_terminated")):
        raise RuntimeError("another function has read the body and kept it: let the guard come before it")
    vars(request)["stream"] = io.BytesIO(content)
    return content


def get_api_key() -> Key | None:
    """Returns the key of the request; None for a session or a public route."""
    context: contract.AuthContext | None = g.get("keywright")
    return None if context is None else context.key
