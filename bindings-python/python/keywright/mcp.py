"""Keywright for the Python SDK of MCP: API keys as the bearer tokens of a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from pydantic import Field
from starlette.authentication import AuthenticationError

from keywright import AsyncKeywright, Decision, Key, Unavailable
from keywright.aio import AsyncOrg
from keywright.http import listed, needed

if TYPE_CHECKING:
    from mcp.server.auth.provider import TokenVerifier
else:
    # FastMCP takes a verifier of its own class only, which is one of the SDK as well.
    try:
        from fastmcp.server.auth import TokenVerifier
    except ImportError:
        from mcp.server.auth.provider import TokenVerifier

__all__ = ["KeyToken", "KeyVerifier", "get_api_key"]


class KeyToken(AccessToken, arbitrary_types_allowed=True):
    """What the SDK knows of a request that was let in, and the key itself."""

    key: Key = Field(exclude=True, repr=False)


class KeyVerifier(TokenVerifier):
    """A verifier of tokens, for ``MCPServer(token_verifier=…)`` of the SDK and ``FastMCP(auth=…)`` of fastmcp.

    Each request is verified anew.
    The SDK tells no address: a key that is bound to networks is refused.

    keywright: an ``AsyncKeywright``, or one of its orgs.
    scopes: scopes that every key must have; the SDK's own ``required_scopes`` know no ``deals:*``.
    method: the HTTP method to judge by, which a key with a level other than ``full`` cannot do without; MCP asks by ``POST``.
    operation, cost, environment: as in ``Needs``.
    resource: the URL of this server, where the SDK is to compare it (``validate_token_resource``).
    """

    def __init__(
        self,
        keywright: AsyncKeywright | AsyncOrg,
        *,
        scopes: str | list[str] | None = None,
        method: str | None = None,
        operation: str | None = None,
        cost: int | None = None,
        environment: str | None = None,
        resource: str | None = None,
    ) -> None:
        super().__init__()
        needs = {"operation": operation, "cost": cost, "environment": environment}
        needed(scopes, **needs)
        self._verify = keywright.verify
        self._request: dict[str, Any] = {"scopes": scopes, "method": method, **needs}
        self._scopes: list[str] = listed(scopes)
        self._resource = resource

    async def verify_token(self, token: str) -> KeyToken | None:
        """Who a key is, its id as ``client_id`` and its org as ``subject``; None for one that is refused.

        A limit that is used up raises ``AuthenticationError``, which the SDK answers with 400, and a store in trouble ``Unavailable``,
        which it leaves to its server: a client that is told 401 throws its key away.
        """
        decision: Decision = await self._verify(token, **self._request)
        key = decision.key
        if decision.allowed and key is not None:
            ends = [it for it in (decision.grace_ends_at, key.expires_at) if it is not None]
            return KeyToken(
                token=token,
                client_id=str(key.id),
                scopes=sorted({*key.scopes, *self._scopes}),
                expires_at=int(min(ends).timestamp()) if ends else None,
                resource=self._resource,
                subject=key.org,
                key=key,
            )
        if decision.code == "rate_limited":
            raise AuthenticationError(decision.message)
        if decision.code == "unavailable":
            raise Unavailable(decision.message)
        return None


def get_api_key() -> Key | None:
    """The key of the request that a tool serves, None where there is none."""
    token = get_access_token()
    return token.key if isinstance(token, KeyToken) else None
