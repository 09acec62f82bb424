"""Asks about keys as one client does: `clients.py CLIENT METHOD`, where METHOD is how the client authenticates."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

SITE: dict[str, str] = json.loads(os.environ["SITE"])
Answer = tuple[int, dict[str, Any]]
Ask = Callable[[str, str, str], Awaitable[Answer]]
"""Asks about a token as a client with this id and this secret, and checks the answer."""


def authlib_requests(method: str) -> Ask:
    from authlib.integrations.requests_client import OAuth2Session

    async def ask(client_id: str, secret: str, token: str) -> Answer:
        with OAuth2Session(client_id, secret, token_endpoint_auth_method=method) as session:
            told = session.introspect_token(SITE["url"], token=token, token_type_hint="access_token")
        return told.status_code, told.json()

    return ask


def authlib_httpx(method: str) -> Ask:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    async def ask(client_id: str, secret: str, token: str) -> Answer:
        async with AsyncOAuth2Client(client_id, secret, token_endpoint_auth_method=method) as client:
            told = await client.introspect_token(SITE["url"], token=token, token_type_hint="access_token")
        return told.status_code, told.json()

    return ask


def fastmcp(method: Any) -> Ask:
    from fastmcp.server.auth.providers.introspection import IntrospectionTokenVerifier

    async def ask(client_id: str, secret: str, token: str) -> Answer:
        options = {"client_auth_method": method, "required_scopes": ["deals:read"]}
        verifier = IntrospectionTokenVerifier(introspection_url=SITE["url"], client_id=client_id, client_secret=secret, **options)
        told = await verifier.verify_token(token)
        # It reports a token that is not active like an endpoint that refuses.
        return (401, {"active": False}) if told is None else (200, told.claims)

    return ask


CLIENTS = {"authlib-requests": authlib_requests, "authlib-httpx": authlib_httpx, "fastmcp": fastmcp}


async def main(name: str, method: str) -> None:
    ask = CLIENTS[name](method)
    for client_id in (SITE["id"], SITE["prefix"]):
        status, told = await ask(client_id, SITE["secret"], SITE["good"])
        assert (status, told["active"], told["client_id"], told["scope"]) == (200, True, SITE["good_id"], "deals:read"), told
    for token in ("nonsense", SITE["revoked"]):
        _, told = await ask(SITE["id"], SITE["secret"], token)
        assert told == {"active": False}, told
    for client_id, secret in ((SITE["id"], "nonsense"), (SITE["good_id"], SITE["secret"]), (SITE["id"], SITE["revoked"])):
        status, told = await ask(client_id, secret, SITE["good"])
        assert status == 401 and told.get("active") is not True, told


asyncio.run(main(*sys.argv[1:]))
