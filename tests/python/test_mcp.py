"""Keys as the tokens of an MCP server of the Python SDK: what becomes of each, alone and through a server with its client."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl
from starlette.authentication import AuthenticationError

from keywright import AsyncKeywright, Unavailable, ValidationFailed
from keywright.mcp import KeyVerifier, get_api_key
from keywright.testing import ManualClock


def test_a_key_is_who_it_is_and_a_refused_one_is_nobody(async_kw: AsyncKeywright, clock: ManualClock) -> None:
    async def run() -> None:
        verifier = KeyVerifier(async_kw, scopes="deals:read", method="POST", resource="https://mcp.example")
        acme = async_kw.org("acme").keys
        new = await acme.create(name="CI", scopes="deals:*", expires_in_days=1)
        token = await verifier.verify_token(new.api_key)
        assert token is not None
        assert (token.client_id, token.subject, token.resource) == (new.id, "acme", "https://mcp.example")
        assert token.scopes == ["deals:*", "deals:read"]
        assert token.expires_at == int((clock.now() + timedelta(days=1)).timestamp())
        assert token.key.name == "CI"
        assert "key" not in token.model_dump()
        assert "name='CI'" not in repr(token)

        rotated = await acme.rotate(new.id, grace="1h")
        former = await verifier.verify_token(new.api_key)
        assert former is not None
        assert former.expires_at == int((clock.now() + timedelta(hours=1)).timestamp())
        lasting = await verifier.verify_token((await acme.create(name="lasting", scopes="deals:read")).api_key)
        assert lasting is not None
        assert lasting.expires_at is None

        refused: list[dict[str, Any]] = [{}, {"scopes": "deals:readonly"}, {"level": "read"}, {"networks": ["0.0.0.0/0"]}]
        for given in refused:
            made = await acme.create(**{"name": "CI", "scopes": "deals:read", **given} if given else {"name": "CI"})
            assert await verifier.verify_token(made.api_key) is None, given
        for text in ("", "nonsense", new.api_key + "x", "é"):
            assert await verifier.verify_token(text) is None
        await acme.revoke(new.id)
        assert await verifier.verify_token(rotated.api_key) is None
        assert await KeyVerifier(async_kw.org("other")).verify_token((await acme.create(name="CI")).api_key) is None
        with pytest.raises(ValidationFailed, match=r"^scopes: "):
            KeyVerifier(async_kw, scopes="deals")

    asyncio.run(run())


def test_trouble_is_told_as_trouble(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper="x" * 32, limits={"calls": 1}) as kw:
            text = (await kw.keys.create(name="CI")).api_key
            assert await KeyVerifier(kw).verify_token(text) is not None
            with pytest.raises(AuthenticationError):
                await KeyVerifier(kw).verify_token(text)
        (tmp_path / "file").write_text("")
        broken = AsyncKeywright(f"sqlite:{tmp_path}/file/keys.db", brand="liq", pepper="x" * 32)
        with pytest.raises(Unavailable):
            await KeyVerifier(broken).verify_token(text)

    asyncio.run(run())


def test_a_server_serves_the_key_that_asks(async_kw: AsyncKeywright) -> None:
    auth = AuthSettings(issuer_url=AnyHttpUrl("https://acme.example"), resource_server_url=None)
    server = MCPServer("deals", token_verifier=KeyVerifier(async_kw, scopes="deals:read"), auth=auth)

    @server.tool()
    def who() -> str:
        key = get_api_key()
        return "nobody" if key is None else f"{key.name} of {key.org}"

    async def run() -> None:
        app = server.streamable_http_app()
        listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        running = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        task = asyncio.create_task(running.serve([listening]))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        one, other, none = [
            await async_kw.org(org).keys.create(name="CI", scopes=scopes)
            for org, scopes in (("acme", "deals:*"), ("umbrella", "deals:read"), ("acme", ""))
        ]

        async def asked(text: str) -> Any:
            sending = httpx2.AsyncClient(headers={"authorization": f"Bearer {text}"})
            async with sending as http, Client(streamable_http_client(url, http_client=http)) as client:
                answer = await client.call_tool("who", {})
            return answer.content[0].text  # type: ignore[union-attr]

        async def status(text: str) -> int:
            async with httpx2.AsyncClient(headers={"authorization": f"Bearer {text}"} if text else {}) as http:
                return int((await http.post(url, json={})).status_code)

        assert list(await asyncio.gather(asked(one.api_key), asked(other.api_key))) == ["CI of acme", "CI of umbrella"]
        assert [await status(it) for it in ("", "nonsense", none.api_key)] == [401] * 3
        await async_kw.org("acme").keys.revoke(one.id)
        assert await status(one.api_key) == 401
        assert get_api_key() is None
        running.should_exit = True
        await task

    asyncio.run(run())
