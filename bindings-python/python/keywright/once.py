"""Requests that are done once, for ASGI: their bodies are read beforehand, and their answers kept while they are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from keywright._native import Lease, Passed, Response
from keywright.http import LARGEST_KEPT, LARGEST_ONCE, AsyncHttp

__all__ = ["Doing", "begun", "heard"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Doing:
    """A request that is being done; its lease ends with the last of the answer, or with ``release``."""

    def __init__(self, http: AsyncHttp, lease: Lease | None) -> None:
        self._http = http
        self._lease = lease
        self._start: Message | None = None
        self._status = 500
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._body = bytearray()

    async def send(self, message: Message, onward: Callable[[Message], Awaitable[None]]) -> None:
        """Sends a part of the answer: its head with the first of its body, since a client needs no more of one without."""
        if message["type"] == "http.response.start":
            self._start, self._status, self._headers = message, message["status"], tuple(message.get("headers") or ())
            return
        if message["type"] == "http.response.body":
            self._body += message.get("body", b"")[: LARGEST_KEPT + 1 - len(self._body)]
            lease = self._lease
            if lease is not None and not message.get("more_body"):
                self._lease = None
                await self._http.finish(lease, self._status, self._headers, bytes(self._body))
        if self._start is not None:
            start, self._start = self._start, None
            await onward(start)
        await onward(message)

    async def release(self) -> None:
        """Lets the request be done anew, if it broke off before its answer was whole."""
        lease, self._lease = self._lease, None
        if lease is not None:
            await self._http.release(lease)


async def heard(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body of a request as far as it is looked at, None where it breaks off; and a ``receive`` that tells it again."""
    messages: list[Message] = []
    length, more = 0, True
    while more and length <= LARGEST_ONCE:
        messages.append(await receive())
        if messages[-1]["type"] != "http.request":
            return None, receive
        length += len(messages[-1].get("body", b""))
        more = messages[-1].get("more_body", False)
    body = b"".join(it.get("body", b"") for it in messages)[: LARGEST_ONCE + 1]

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return body, again


async def begun(http: AsyncHttp, passed: Passed, state: MutableMapping[str, Any]) -> Response | None:
    """The answer to a request that was done before; None where it is to be done, which whoever sends the answer sees to."""
    if not passed.once or "keywright_doing" in state:
        return None
    turn = await http.once(passed, state["keywright_body"])
    if isinstance(turn, Response):
        return turn
    state["keywright_doing"] = Doing(http, turn)
    return None
