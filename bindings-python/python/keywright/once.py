"""Requests that are done once, for ASGI: their bodies are read beforehand, and their answers kept while they are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from keywright._native import Lease, Passed, Response
from keywright.http import LARGEST_KEPT, LARGEST_ONCE, AsyncHttp

__all__ = ["Body", "BrokenOff", "Doing", "begun"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Doing:
    """A request that is being done; its lease ends with the last of the answer, or with ``release``."""

    def __init__(self, http: AsyncHttp, lease: Lease | None, request: Body) -> None:
        self._http = http
        self._lease = lease
        self._request = request
        self._is_streamed = False
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
            if message.get("more_body"):
                self._is_streamed = True
            elif self._is_streamed and self._request.is_left:
                # Some end a stream that nobody hears any more as if it were whole.
                await self.release()
            elif self._lease is not None:
                lease, self._lease = self._lease, None
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


class BrokenOff(ConnectionError):
    """Whoever sent a request has gone before it was whole."""


class Body:
    """The body of a request, of which the beginning can be looked at at any time, and which ``receive`` tells whole all the same."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ahead: deque[Message] = deque()
        self._beginning = bytearray()
        self._more = True
        self._is_broken = False
        self.is_left: bool = False

    async def receive(self) -> Message:
        """The next message, as the server tells it."""
        return self._ahead.popleft() if self._ahead else await self._hear()

    async def beginning(self) -> bytes:
        """The body, up to the first byte that is too many; raises ``BrokenOff`` where its end never came."""
        while self._more and len(self._beginning) <= LARGEST_ONCE:
            self._ahead.append(await self._hear())
        if self._is_broken:
            raise BrokenOff
        return bytes(self._beginning)

    async def _hear(self) -> Message:
        message = await self._receive()
        self.is_left |= message["type"] != "http.request"
        if self._more:
            self._is_broken = self.is_left
            self._beginning += message.get("body", b"")[: LARGEST_ONCE + 1 - len(self._beginning)]
            self._more = message.get("more_body", False)
        return message


async def begun(http: AsyncHttp, passed: Passed, state: MutableMapping[str, Any]) -> Response | None:
    """The answer to a request that was done before; None where it is to be done, which whoever sends the answer sees to."""
    if not passed.once or "keywright_doing" in state:
        return None
    turn = await http.once(passed, await state["keywright_body"].beginning())
    if isinstance(turn, Response):
        return turn
    state["keywright_doing"] = Doing(http, turn, state["keywright_body"])
    return None
