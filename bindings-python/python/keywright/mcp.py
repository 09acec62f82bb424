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
    # FastMCP accepts only verifiers of its own class, which is a verifier of the SDK too.
    try:
        from fastmcp.server.auth import TokenVerifier
    except ImportError:
        from mcp.server.auth.provider import TokenVerifier

__all__ = ["KeyToken", "KeyVerifier", "get_api_key"]


class KeyToken(AccessToken, arbitrary_types_allowed=True):
    """The access token of a request that was let through, with its key."""

    key: Key = Field(exclude=True, repr=False)


class KeyVerifier(TokenVerifier):
    """A verifier of tokens, for ``MCPServer(token_verifier=…)`` of the SDK and ``FastMCP(auth=…)`` of fastmcp.

    Every request is verified. The SDK does not pass the address of the client, so a key with networks is refused.

    keywright: an ``AsyncKeywright``, or one of its orgs.
    scopes: scopes that every key must have; the SDK's own ``required_scopes`` do not know ``deals:*``.
    method: the HTTP method to verify with. A key with a level other than ``full`` requires it; MCP uses ``POST``.
    operation, cost, environment: as in ``Needs``.
    resource: the URL of this server, if the SDK compares it (``validate_token_resource``).
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
        """Returns the id of a key as ``client_id`` and its org as ``subject``; None for a denied key.

        An exhausted limit raises ``AuthenticationError``, which the SDK turns into 400. An unavailable store raises ``Unavailable``, which
        it leaves to its server: a client that receives 401 discards its key.
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
        if decision.code in ("rate_limited", "quota_exceeded"):
            raise AuthenticationError(decision.message)
        if decision.code == "unavailable":
            raise Unavailable(decision.message)
        return None


def get_api_key() -> Key | None:
    """Returns the key of the request that a tool serves; None if there is none."""
    token = get_access_token()
    return token.key if isinstance(token, KeyToken) else None
