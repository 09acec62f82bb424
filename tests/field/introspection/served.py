"""Mounts management on a real server, and runs a client with its environment: `served.py COMMAND...`.

The client finds the endpoint and the keys as JSON in the environment variable SITE.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from keywright import AsyncKeywright
from keywright.asgi import Management


async def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncKeywright(f"sqlite:{folder}/keys.db", brand="liq", pepper="p" * 32) as kw:
            server = await kw.keys.create(name="resource server", scopes="keys:introspect")
            good = await kw.keys.create(name="good", scopes="deals:read", expires_in_days=1)
            revoked = await kw.keys.create(name="revoked", scopes="deals:read")
            await kw.keys.revoke(revoked.id)
            app = Starlette(routes=[Mount("/api-keys", Management(kw))])
            running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
            task = asyncio.create_task(running.serve())
            while not running.started:
                await asyncio.sleep(0.01)
            site = {
                "url": f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/api-keys/introspect",
                "id": server.id,
                "prefix": server.prefix,
                "secret": server.api_key,
                "good_id": good.id,
                "good": good.api_key,
                "revoked": revoked.api_key,
            }
            environment = {**os.environ, "SITE": json.dumps(site)}
            done = await asyncio.to_thread(subprocess.run, command, env=environment, check=False)
            running.should_exit = True
            await task
    return done.returncode


sys.exit(asyncio.run(main(sys.argv[1:])))
