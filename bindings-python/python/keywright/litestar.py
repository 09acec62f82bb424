"""Keywright for Litestar: a plugin, guards of handlers with their scopes in the OpenAPI document, and key management."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from litestar import Request, Response, asgi
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins import InitPlugin, ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.utils.path import normalize_path

from keywright import AsyncKeywright, AsyncPage, Key, Keywright
from keywright import http as contract
from keywright.asgi import HeadersMiddleware, Management, auth_context
from keywright.once import start_idempotent
from keywright.scope import Parts, parts

__all__ = ["Guard", "KeywrightPlugin", "Refused", "get_api_key"]

Connection = ASGIConnection[Any, Any, Any, Any]


class Refused(HTTPException):
    """Exception for a refused request; ``response`` is the response to send."""

    def __init__(self, response: contract.Response) -> None:
        super().__init__(status_code=response.status)
        self.response: contract.Response = response


class Guard:
    """A guard of handlers, routers or the whole application; ``KeywrightPlugin.requires`` makes one."""

    def __init__(self, http: contract.AsyncHttp, scopes: str | list[str] | None, **needs: Any) -> None:
        self.http: contract.AsyncHttp = http
        self.scopes: list[str] = contract.listed(scopes)
        self.needs: contract.Needs = http.needs(scopes, **needs)

    def __deepcopy__(self, _memo: Any) -> Guard:
        # Litestar copies the handlers of a controller with their attributes.
        return self

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Lets a connection through, or raises ``Refused``."""
        if handler.opt.get("keywright_exempt"):
            return
        scope = _any(connection.scope)
        state, answer = scope["state"], await self.http.authenticate(*_parts(scope), self.needs, auth_context(scope))
        if not isinstance(answer, contract.Response):
            answer = await start_idempotent(self.http, answer, state) or answer
        if isinstance(answer, contract.Response):
            state.pop("keywright", None)
            state["keywright_refusal"] = answer
            raise Refused(answer)
        state["keywright"] = answer


class KeywrightPlugin(InitPlugin, ReceiveRoutePlugin):
    """The plugin: ``keys = KeywrightPlugin(kw)``, ``Litestar([...], plugins=[keys])``.

    ``@get("/deals", guards=[keys.requires("deals:read")])`` guards a handler; routers and the application take ``guards`` as well.
    A handler reads the context of its request, an ``AuthContext``, from ``request.state.keywright``, and its key from ``get_api_key``.
    Errors have the headers of the contract too.

    keywright: a ``Keywright``, or an ``AsyncKeywright``, which opens with the first request.
    manage: the path of key management; None for no management.
    principal: a function of yours, async or not, that returns a dict of ``org``, ``actor`` and ``may`` for the caller of a request. Without
        it, or when it returns None, the session token or key of the request counts.
    header: the header for keys in the OpenAPI document, or ``"Authorization: "`` with a scheme; ``Authorization: Bearer``
        when left out.
    options: the options of ``Keywright.http``. Wrong ones raise here.
    """

    def __init__(
        self,
        keywright: Keywright | AsyncKeywright,
        *,
        manage: str | None = None,
        principal: Callable[[Request[Any, Any, Any]], Any] | None = None,
        header: str | None = None,
        **options: Any,
    ) -> None:
        self.http: contract.AsyncHttp = contract.AsyncHttp(keywright, **options)
        self._manage = manage
        self._management = Management(self.http, None if principal is None else lambda scope: principal(Request(_any(scope))))
        kind, name = contract.place(header)
        named = {"type": kind, "scheme": name} if kind == "http" else {"type": kind, "name": name, "security_scheme_in": "header"}
        self._scheme = SecurityScheme(**_any(named))

    def requires(self, scopes: str | list[str] | None = None, **needs: Any) -> Guard:
        """Returns a guard with needs: scopes, and the other arguments of ``Needs``. Without any, the rule of the path applies."""
        return Guard(self.http, scopes, **needs)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Adds response headers, error responses, management and the security scheme."""
        app_config.middleware.insert(0, _any(HeadersMiddleware))
        app_config.on_shutdown.append(self.http.flush)
        app_config.type_encoders = {**dict.fromkeys((*contract.RECORDS, AsyncPage), dict), **(app_config.type_encoders or {})}
        _any(app_config).exception_handlers[Refused] = _refused
        if self._manage is not None:
            mounted = asgi(self._manage, is_mount=True, copy_scope=True, opt={"keywright_exempt": True})
            app_config.route_handlers.append(mounted(self._managed))
        if app_config.openapi_config is not None:
            given = app_config.openapi_config.components
            ours = Components(security_schemes={"ApiKey": self._scheme})
            app_config.openapi_config.components = [*(given if isinstance(given, list) else [given]), ours]
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Adds the needs of a handler to the OpenAPI document."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            ours = [it for it in _any(handler).resolve_guards() if isinstance(it, Guard)]
            if ours and handler.security is None:
                handler.security = [{"ApiKey": sorted({scope for it in ours for scope in it.scopes})}]

    async def _managed(self, scope: Any, receive: Any, send: Any) -> None:
        await self._management({**scope, "root_path": f"{scope.get('root_path', '')}{self._manage}"}, receive, send)


def _parts(scope: Any) -> Parts:
    """Returns the parts of a request with the path by which Litestar routes: the part after the first occurrence of the mount."""
    root, raw = scope.get("root_path", ""), scope.get("raw_path") or quote(scope["path"]).encode()
    raw = raw.split(root.encode(), 1)[-1] if root else raw
    asked, path = unquote(raw.decode("latin-1")), scope["path"]
    handler = scope["route_handler"]
    if getattr(handler, "is_mount", False):
        # For these the path is the rest below the mount.
        ends = [normalize_path(f"{mount}/{path}") for mount in handler.paths]
        is_same = any(normalize_path(asked).endswith(it) for it in ends)
    else:
        is_same = normalize_path(asked) == path
    routed = asked if is_same else path
    seen = {**scope, "root_path": "", "app_root_path": root, "path": routed, "raw_path": raw if is_same else b"*"}
    return parts(seen, path=None if is_same and not root else routed)


def get_api_key(connection: Connection) -> Key | None:
    """Returns the key of a request; None for a session or a public route."""
    found = auth_context(_any(connection).scope)
    return None if found is None else found.key


def _refused(_request: Any, refused: Refused) -> Response[bytes]:
    answer = refused.response
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    kind = headers.pop("content-type", "")
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=kind)


def _any(given: Any) -> Any:
    # Values for which Litestar has its own types.
    return given
