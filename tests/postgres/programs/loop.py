"""An event loop of asyncio, for test_waiting.py."""

from __future__ import annotations

import asyncio
import sys

from keywright import AsyncKeywright


async def main(url: str, pepper: str) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    running: list[asyncio.Task[None]] = []
    async with AsyncKeywright(url, brand="liq", pepper=pepper) as kw:

        async def verify(text: str) -> None:
            decision = await kw.verify(text)
            print(f"verified {decision.code or 'allowed'}", flush=True)

        async def create(name: str) -> None:
            new = await kw.keys.create(name=name)
            print(f"created {new.name}", flush=True)

        print("ready", flush=True)
        async for line in lines:
            word, _, rest = line.decode().strip().partition(" ")
            if word == "ping":
                print("pong", flush=True)
            elif word == "verify":
                running.append(asyncio.create_task(verify(rest)))
            elif word == "create":
                running.append(asyncio.create_task(create(rest)))
            elif word == "cancel":
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
                running.clear()
                print("cancelled", flush=True)


asyncio.run(main(*sys.argv[1:]))
