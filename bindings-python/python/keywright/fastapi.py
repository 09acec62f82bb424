"""Keywright for FastAPI: a dependency that gives the key of a request, with its scopes in the OpenAPI document."""

# No postponed annotations: FastAPI reads those of a callable object as they are.
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
from keywright.asgi import REFUSED, App, HeadersMiddleware, Management, Parts, parts, passed, respond
from keywright.once import begun

__all__ = ["ApiKey", "Refused", "install"]


class Refused(HTTPException):
    """A request that goes no further; ``response`` is its answer."""

    def __init__(self, response: contract.Response) -> None:
        # An application that is mounted knows it as an HTTPException alone, and hands these headers on.
        super().__init__(response.status, headers={REFUSED.decode(): ""})
        self.response = response


class ApiKey(SecurityBase):
    """A dependency: ``key: Annotated[Key, Security(api_key, scopes=["deals:read"])]``; ``install`` makes one.

    Without scopes and without ``needs`` the rule of the path counts, where there are rules. Whoever it lets in without a key, by a
    session or because the route is public, has the key None; ``request.state.keywright`` says the rest. A WebSocket route takes it
    as any other does.

    A test gives a key of its own by ``app.dependency_overrides[api_key]``, whatever the scopes; that of a route with needs by
    ``app.dependency_overrides[api_key.needs(cost=5)]``, in the same words as the route.
    """

    def __init__(self, http: contract.AsyncHttp, model: Model, needs: dict[str, Any], alike: "dict[str, ApiKey] | None" = None) -> None:
        self.model = model
        self.scheme_name = "ApiKey"
        self._http = http
        self._given = needs
        # Equal declarations are one dependency, so that ``dependency_overrides`` finds them.
        self._alike: dict[str, ApiKey] = {repr([]): self} if alike is None else alike
        self._needs: dict[tuple[str, ...], contract.Needs] = {}

    def needs(self, **needs: Any) -> "ApiKey":
        """The dependency of a route that also has an ``operation``, a ``cost``, an ``environment`` or an ``access``; see ``Needs``."""
        self._http.needs(**needs)
        return self._alike.setdefault(repr(sorted(needs.items())), ApiKey(self._http, self.model, needs, self._alike))

    def requires(self, scopes: str | list[str] | None = None, **needs: Any) -> Any:
        """``Security(api_key.needs(…), scopes=[…])``, but scopes that no key could have are refused when the route is declared."""
        self._http.needs(scopes, **needs)
        return Security(self.needs(**needs), scopes=contract.listed(scopes))

    def management(self, principal: Callable[[Request], Any] | None = None, app: App | None = None) -> Management:
        """Key management, for ``app.mount``, or with the option ``path`` around ``app``; ``principal`` takes the request.

        See ``keywright.asgi.Management``.
        """
        return Management(self._http, None if principal is None else lambda scope: principal(Request(scope)), app)

    async def explain(self, request: HTTPConnection, scopes: str | list[str] | None = None) -> dict[str, Any]:
        """Why a request is let in or refused on a route that needs these scopes; see ``Http.explain``."""
        return await self._http.explain(*_parts(request.scope), contract.needed(scopes, **self._given))

    async def __call__(self, request: HTTPConnection, security_scopes: SecurityScopes) -> Key | None:
        """The key of a request, or of what opens a WebSocket."""
        scopes = tuple(security_scopes.scopes)
        if scopes not in self._needs:
            self._needs[scopes] = contract.needed(list(scopes) or None, **self._given)
        answer = await self._http.authenticate(*_parts(request.scope), self._needs[scopes], passed(request.scope))
        state = request.scope.setdefault("state", {})
        if isinstance(answer, contract.Response):
            raise _refused_there(state, answer)
        repeated = await begun(self._http, answer, state)
        if repeated is not None:
            raise _refused_there(state, repeated)
        state["keywright"] = answer
        return answer.key


def install(app: FastAPI, keywright: Keywright | AsyncKeywright, *, header: str | None = None, **options: Any) -> ApiKey:
    """Makes an application answer as the contract says, and gives the dependency that its routes need.

    It redirects no more from ``/deals/`` to ``/deals``: clients carry keys along to wherever they are sent.

    keywright: a ``Keywright`` or an ``AsyncKeywright``.
    header: the header that the OpenAPI document names for keys, or ``"Authorization: "`` with a scheme; ``Authorization: Bearer``
        when left out.
    options: those of ``Keywright.http``; wrong ones are refused here.
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
    """The parts of a request, with the path that the application gets below its mount, be that its own or the server's."""
    path, mount = scope["path"], scope.get("state", {}).get("keywright_mount", scope.get("root_path", ""))
    rest = path.removeprefix(mount)
    return parts(scope, mount, rest if rest[:1] in ("", "/") else path)


def _refused_there(state: dict[str, Any], response: contract.Response) -> Refused:
    # What a guard in front has found is told no more.
    state.pop("keywright", None)
    state["keywright_refusal"] = response
    return Refused(response)


async def _refused(_request: HTTPConnection, refused: Any) -> Any:
    return partial(respond, response=refused.response)
