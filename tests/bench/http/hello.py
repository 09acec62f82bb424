"""A hello route of one framework, without keys or with: `hello.py FRAMEWORK VARIANT FOLDER`."""

import json
import os
import socket
import sys
import threading
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

SERVER, FOLDER = tuple(sys.argv[1:3]), Path(sys.argv[3])
BODY = json.dumps({"hello": "world"}).encode()


# As many bytes of headers as the guard adds: the server has to check and write them.
SAME = [(b"cache-control", b"no-store"), (b"vary", b"authorization, api-key, x-api-key"), (b"x-request-id", b"0" * 36)]


class Headers:
    """A middleware that adds these headers and does nothing else."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def sending(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAME]
            await send(message)

        await self.app(scope, receive, sending)


class Nothing(SecurityBase):
    """A dependency with scopes that does nothing."""

    model = HTTPBearer()
    scheme_name = "nothing"

    async def __call__(self, request: Request, security_scopes: SecurityScopes):
        return None if security_scopes.scopes else request


async def plain(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


def ours():
    from keywright import AsyncKeywright

    return AsyncKeywright(f"sqlite:{FOLDER}/keys.db", brand="bench", pepper="a pepper of the benchmark, of 32 bytes or more")


def keyshield():
    import asyncio

    from keyshield.api import create_depends_api_key
    from keyshield.hasher.argon2 import Argon2ApiKeyHasher
    from keyshield.repositories.in_memory import InMemoryApiKeyRepository
    from keyshield.services.cached import CachedApiKeyService

    service = CachedApiKeyService(InMemoryApiKeyRepository(), Argon2ApiKeyHasher(pepper="a pepper of the benchmark, of 32 bytes"))
    _, text = asyncio.run(service.create(name="bench", scopes=["deals:read"]))

    async def served():
        return service

    return text, create_depends_api_key(served, required_scopes=["deals:read"])


def fastapi(dependency):
    app = FastAPI()
    dependencies = [] if dependency is None else [dependency]

    @app.get("/hello", dependencies=dependencies)
    async def hello():
        return {"hello": "world"}

    return app


text = (FOLDER / "key.txt").read_text()
if SERVER == ("asgi", "alone"):
    app = plain
elif SERVER == ("asgi", "nothing"):
    app = Headers(plain)
elif SERVER == ("asgi", "keywright"):
    from keywright.asgi import KeywrightMiddleware

    app = KeywrightMiddleware(plain, ours(), routes=[{"path": "/hello", "scopes": "deals:read"}])
elif SERVER == ("fastapi", "alone"):
    app = fastapi(None)
elif SERVER == ("fastapi", "nothing"):
    app = fastapi(Security(Nothing(), scopes=["deals:read"]))
    app.add_middleware(Headers)
elif SERVER == ("fastapi", "keywright"):
    from keywright.fastapi import install

    app = FastAPI()
    api_key = install(app, ours())

    @app.get("/hello", dependencies=[Security(api_key, scopes=["deals:read"])])
    async def hello():
        return {"hello": "world"}

elif SERVER == ("fastapi", "keyshield"):
    text, needed = keyshield()
    app = fastapi(Depends(needed))
else:
    raise SystemExit(f"no server {SERVER}")


def watch():
    sys.stdin.read()
    os._exit(0)


listening = socket.create_server(("127.0.0.1", 0))
# Accepted sockets inherit it; else each answer in two parts waits for an acknowledgement.
listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
threading.Thread(target=watch, daemon=True).start()
print(listening.getsockname()[1], text, flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="error", proxy_headers=False, timeout_keep_alive=600)).run(sockets=[listening])
