"""Repeated requests with one idempotency key, beyond the vectors: bodies of all sizes, and concurrent requests."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import pytest
from fastapi import FastAPI, Form, Request, Security
from fastapi.responses import StreamingResponse

from keywright import Keywright
from keywright.asgi import KeywrightMiddleware
from keywright.fastapi import install
from keywright.http import LARGEST_KEPT, LARGEST_ONCE

RULES = [{"path": "/{*rest}", "idempotent": True}]
Asked = tuple[int, dict[bytes, bytes], bytes]


class Broken(Exception):
    """An unexpected error of a handler."""


async def exchange(app: Any, path: str, text: str, key: str, told: deque[Any], kind: bytes = b"text/plain") -> list[Any]:
    """Calls an ASGI application with these messages, and returns the messages that it sends."""
    headers = [(b"api-key", text.encode()), (b"idempotency-key", key.encode()), (b"content-type", kind)]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}
    sent: list[Any] = []

    async def receive() -> Any:
        if not told:
            await asyncio.Event().wait()
        return told.popleft()

    async def send(message: Any) -> None:
        sent.append(message)

    await app({**scope, "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1"}, receive, send)
    return sent


async def ask(app: Any, path: str, text: str, key: str, *parts: bytes, kind: bytes = b"text/plain") -> Asked:
    """Asks an ASGI application, with a body in parts."""
    told = deque({"type": "http.request", "body": it, "more_body": True} for it in parts)
    told.append({"type": "http.request", "body": b""})
    sent = await exchange(app, path, text, key, told, kind)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(it.get("body", b"") for it in sent[1:])


class Host:
    """An ASGI application that answers with how often it ran, and how long the body was."""

    def __init__(self) -> None:
        self.runs = 0
        self.wait = asyncio.Event()
        self.wait.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        length, more = 0, True
        while more:
            message = await receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
        await self.wait.wait()
        self.runs += 1
        if scope["path"] == "/broken":
            raise Broken
        size = LARGEST_KEPT + 1 if scope["path"] == "/long" else 0
        status = 204 if scope["path"] == "/empty" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        if status == 200:
            await send({"type": "http.response.body", "body": b"%d %d" % (self.runs, length), "more_body": True})
            await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})
        await send({"type": "http.response.body"})


def test_asgi(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key

    async def main() -> None:
        host = Host()
        app = KeywrightMiddleware(host, kw, routes=RULES)
        for key, parts in {"none": (), "two": (b"a", b"b"), "most": (b"x" * LARGEST_ONCE,)}.items():
            first = await ask(app, "/a", text, key, *parts)
            assert first[2] == b"%d %d" % (host.runs, sum(map(len, parts)))
            again = await ask(app, "/a", text, key, b"".join(parts))
            assert (again[0], again[2], again[1][b"idempotent-replayed"]) == (200, first[2], b"true")
        before = host.runs
        assert (await ask(app, "/a", text, "more", b"x" * LARGEST_ONCE, b"x"))[0] == 413
        assert ((await ask(app, "/empty", text, "e"))[0], (await ask(app, "/empty", text, "e"))[0]) == (204, 204)
        assert ((await ask(app, "/long", text, "l"))[0], (await ask(app, "/long", text, "l"))[0]) == (200, 409)
        for _ in range(2):
            with pytest.raises(Broken):
                await ask(app, "/broken", text, "b")
        assert host.runs == before + 4
        host.wait.clear()
        first_of_two = asyncio.ensure_future(ask(app, "/a", text, "meet"))
        second = asyncio.ensure_future(ask(app, "/a", text, "meet"))
        done, _ = await asyncio.wait([first_of_two, second], return_when=asyncio.FIRST_COMPLETED)
        assert [it.result()[0] for it in done] == [409]
        host.wait.set()
        assert sorted([(await first_of_two)[0], (await second)[0]]) == [200, 409]
        assert host.runs == before + 5

    asyncio.run(main())


def test_fastapi_with_forms_and_streams(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key
    app = FastAPI()
    api_key = install(app, kw)
    once, runs = api_key.needs(idempotent=True), []

    @app.post("/form", dependencies=[Security(once)])
    async def form(name: str = Form()) -> str:
        runs.append(name)
        return name

    @app.post("/stream", dependencies=[Security(once)])
    async def stream(request: Request) -> StreamingResponse:
        body = await request.body()
        return StreamingResponse(iter([body, b"!"]))

    async def main() -> None:
        kind = b"application/x-www-form-urlencoded"
        for _ in range(2):
            assert (await ask(app, "/form", text, "f", b"name=", b"x", kind=kind))[2] == b'"x"'
            assert (await ask(app, "/stream", text, "s", b"ab"))[2] == b"ab!"
        assert runs == ["x"]
        assert (await ask(app, "/form", text, "f", b"name=y", kind=kind))[0] == 422

    asyncio.run(main())


def test_nothing_is_read_for_nobody_and_what_broke_off_is_not_done(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key
    app = FastAPI()
    once, runs = install(app, kw).needs(idempotent=True), []

    @app.post("/deals", dependencies=[Security(once)])
    async def deals() -> int:
        runs.append(1)
        return len(runs)

    async def asked(key: str, *messages: Any) -> tuple[list[Any], int]:
        told = deque(messages)
        return await exchange(app, "/deals", key, "k", told), len(told)

    async def main() -> None:
        part = {"type": "http.request", "body": b"x" * 1024, "more_body": True}
        sent, left = await asked("nobody's", *[part] * 9)
        assert (sent[0]["status"], left) == (401, 9)
        assert (await asked(text, part, {"type": "http.disconnect"}))[0] == []
        assert runs == []
        sent, left = await asked(text, part, {"type": "http.request", "body": b"y"})
        assert (sent[0]["status"], left, runs) == (200, 0, [1])

    asyncio.run(main())


def test_a_stream_that_its_client_has_left_is_not_kept_as_whole(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key
    runs: list[int] = []

    async def host(_scope: Any, receive: Any, send: Any) -> None:
        runs.append(1)
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        # As Starlette does it inside a middleware of its own.
        if (await receive())["type"] != "http.disconnect":
            await send({"type": "http.response.body", "body": b"two", "more_body": True})
        await send({"type": "http.response.body"})

    async def main() -> None:
        app = KeywrightMiddleware(host, kw, routes=RULES)
        for _ in range(2):
            told = deque[Any]([{"type": "http.request", "body": b"x"}, {"type": "http.disconnect"}])
            await exchange(app, "/a", text, "left", told)
        assert runs == [1, 1]

    asyncio.run(main())


def test_a_body_in_many_parts_is_read_in_a_moment(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key

    async def main() -> None:
        app = KeywrightMiddleware(Host(), kw, routes=RULES)
        answer = await asyncio.wait_for(ask(app, "/a", text, "parts", *[b"x"] * 300_000), 60)
        assert answer[2] == b"1 300000"

    asyncio.run(main())
