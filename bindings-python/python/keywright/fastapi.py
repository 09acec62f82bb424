"""Keywright for FastAPI: a dependency that returns the key of a request, with its scopes in the OpenAPI document."""

# No postponed annotations: FastAPI does not resolve those of a callable object.
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Security
from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBase
from fastapi.openapi.models import SecurityBase as Model
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from keywright import AsyncKeywright, Key, Keywright
from keywright import http as contract
from keywright.asgi import REFUSED, App, HeadersMiddleware, Management, auth_context, respond
from keywright.once import start_idempotent
from keywright.scope import Parts, parts

__all__ = ["ApiKey", "Refused", "install"]


class Refused(HTTPException):
    """Exception for a refused request; ``response`` is the response to send."""

    def __init__(self, response: contract.Response) -> None:
        # A mounted application treats it as an HTTPException, and passes these headers on.
        super().__init__(response.status, headers={REFUSED.decode(): ""})
        self.response = response


class ApiKey(SecurityBase):
    """A dependency: ``key: Annotated[Key, Security(api_key, scopes=["deals:read"])]``; ``install`` makes one.

    Without scopes and ``needs``, the rule of the path applies, if there are rules. The key is None for a session or a public route;
    ``request.state.keywright`` has the rest. A WebSocket route can use the dependency too.

    A test overrides the key with ``app.dependency_overrides[api_key]``, for any scopes. For a route with needs it uses
    ``app.dependency_overrides[api_key.needs(cost=5)]`` with the same arguments as the route.
    """

    def __init__(self, http: contract.AsyncHttp, model: Model, needs: dict[str, Any], alike: "dict[str, ApiKey] | None" = None) -> None:
        self.model = model
        self.scheme_name = "ApiKey"
        self._http = http
        self._given = needs
        # Equal declarations share one dependency, so that ``dependency_overrides`` finds them.
        self._alike: dict[str, ApiKey] = {repr([]): self} if alike is None else alike
        self._needs: dict[tuple[str, ...], contract.Needs] = {}

    def needs(self, **needs: Any) -> "ApiKey":
        """Returns the dependency of a route with an ``operation``, a ``cost``, an ``environment`` or an ``access``; see ``Needs``."""
        self._http.needs(**needs)
        return self._alike.setdefault(repr(sorted(needs.items())), ApiKey(self._http, self.model, needs, self._alike))

    def requires(self, scopes: str | list[str] | None = None, **needs: Any) -> Any:
        """Returns ``Security(api_key.needs(…), scopes=[…])``. Scopes that no key can have raise when the route is declared."""
        self._http.needs(scopes, **needs)
        return Security(self.needs(**needs), scopes=contract.listed(scopes))

    def management(self, principal: Callable[[Request], Any] | None = None, app: App | None = None) -> Management:
        """Returns key management for ``app.mount``, or with the option ``path`` around ``app``; ``principal`` takes the request.

        See ``keywright.asgi.Management``.
        """
        return Management(self._http, None if principal is None else lambda scope: principal(Request(scope)), app)

    async def explain(self, request: HTTPConnection, scopes: str | list[str] | None = None) -> dict[str, Any]:
        """Explains why a request is let through or refused on a route with these scopes; see ``Http.explain``."""
        return await self._http.explain(*_parts(request.scope), contract.needed(scopes, **self._given))

    async def __call__(self, request: HTTPConnection, security_scopes: SecurityScopes) -> Key | None:
        """Returns the key of a request or of the request that opens a WebSocket."""
        scopes = tuple(security_scopes.scopes)
        if scopes not in self._needs:
            self._needs[scopes] = contract.needed(list(scopes) or None, **self._given)
        answer = await self._http.authenticate(*_parts(request.scope), self._needs[scopes], auth_context(request.scope))
        state = request.scope.setdefault("state", {})
        if isinstance(answer, contract.Response):
            raise _refused_there(state, answer)
        repeated = await start_idempotent(self._http, answer, state)
        if repeated is not None:
            raise _refused_there(state, repeated)
        state["keywright"] = answer
        return answer.key


def install(app: FastAPI, keywright: Keywright | AsyncKeywright, *, header: str | None = None, **options: Any) -> ApiKey:
    """Adds the contract to an application, and returns the dependency for its routes.

    The application no longer redirects from ``/deals/`` to ``/deals``: clients send their keys along to any redirect.

    keywright: a ``Keywright`` or an ``AsyncKeywright``.
    header: the header for keys in the OpenAPI document, or ``"Authorization: "`` with a scheme; ``Authorization: Bearer``
        when left out.
    options: the options of ``Keywright.http``. Wrong ones raise here.
    """
    kind, name = contract.place(header)
    named = {"in": APIKeyIn.header, "name": name}
    model = HTTPBase(scheme=name, description="An API key") if kind == "http" else APIKey.model_validate(named)
    app.add_exception_handler(Refused, _refused)
    http = contract.AsyncHttp(keywright, **options)
    app.add_middleware(HeadersMiddleware, http=http)
    app.router.redirect_slashes = False
    return ApiKey(http, model, {})


def _parts(scope: Any) -> Parts:
    """Returns the parts of a request with the path below the mount, be it a mount of the application or of the server."""
    path, mount = scope["path"], scope.get("state", {}).get("keywright_mount", scope.get("root_path", ""))
    rest = path.removeprefix(mount)
    return parts(scope, mount, rest if rest[:1] in ("", "/") else path)


def _refused_there(state: dict[str, Any], response: contract.Response) -> Refused:
    # The pass of an earlier guard no longer applies.
    state.pop("keywright", None)
    state["keywright_refusal"] = response
    return Refused(response)


async def _refused(_request: HTTPConnection, refused: Any) -> Any:
    return partial(respond, response=refused.response)
