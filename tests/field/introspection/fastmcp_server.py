"""Serves a tool of FastMCP to its own client, with keys as tokens."""

from __future__ import annotations

import asyncio
import tempfile

import httpx2
import uvicorn
from fastmcp import Client, FastMCP

from keywright import AsyncKeywright
from keywright.mcp import KeyVerifier, get_api_key


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncKeywright(f"sqlite:{folder}/keys.db", brand="liq", pepper="p" * 32) as kw:
            server = FastMCP("deals", auth=KeyVerifier(kw, scopes="deals:read"))

            @server.tool
            def who() -> str:
                key = get_api_key()
                return "nobody" if key is None else f"{key.name} of {key.org}"

            running = uvicorn.Server(uvicorn.Config(server.http_app(), port=0, log_level="critical"))
            task = asyncio.create_task(running.serve())
            while not running.started:
                await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/mcp"
            acme = kw.org("acme").keys
            good = await acme.create(name="good", scopes="deals:*")
            lasting = await acme.create(name="lasting", scopes="deals:read")
            narrow = await acme.create(name="narrow", scopes="leads:read")

            async def asked(text: str) -> str:
                async with Client(url, auth=text) as client:
                    return (await client.call_tool("who", {})).data

            async def status(text: str) -> int:
                async with httpx2.AsyncClient(headers={"authorization": f"Bearer {text}"} if text else {}) as http:
                    return (await http.post(url, json={})).status_code

            assert await asked(good.api_key) == "good of acme"
            await acme.revoke(good.id)
            for text in ("nonsense", good.api_key, narrow.api_key):
                try:
                    told = await asked(text)
                except Exception:
                    continue
                raise AssertionError(f"{told!r} was let in")
            assert [await status(text) for text in ("", "nonsense", good.api_key, narrow.api_key)] == [401] * 4
            assert await asked(lasting.api_key) == "lasting of acme"
            running.should_exit = True
            await task


asyncio.run(main())
