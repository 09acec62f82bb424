"""LendWorks on FastAPI: levels, tiers, and a rotation that a client with the former key learns of from headers."""

import socket
import sys
import threading
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Security

from keywright import AsyncKeywright, Key
from keywright.fastapi import install

url, pepper = sys.argv[1:]
kw = AsyncKeywright(
    url,
    pepper=pepper,
    key_format="lw_{lookup:10}_{secret:32}{checksum:6}",
    tiers={"basic": 100, "standard": 1_000, "premium": 10_000},
)
app = FastAPI()
api_key = install(app, kw, credentials=["Authorization"], errors="list", realm="LendWorks")


@app.api_route("/v1/leads", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
async def leads(key: Annotated[Key, Security(api_key)]) -> dict[str, str]:
    """Returns the leads of the org that owns the key; no request names an org."""
    return {"org": key.org}


listening = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(app, log_level="critical", proxy_headers=False))


def watch() -> None:
    """Ends when the program that started it ends."""
    sys.stdin.read()
    server.should_exit = True


threading.Thread(target=watch, daemon=True).start()
print("listening", listening.getsockname()[1], flush=True)
server.run(sockets=[listening])
