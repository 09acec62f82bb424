"""Idempotent requests for ASGI: reads the body before the application runs, and stores the response while it is sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from keywright._native import AuthContext, Lease, Response
from keywright.http import LARGEST_KEPT, LARGEST_ONCE, AsyncHttp

__all__ = ["Body", "BrokenOff", "IdempotentRequest", "start_idempotent"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class IdempotentRequest:
    """An idempotent request in progress. Its lease ends with the end of the response, or with ``release``."""

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
        """Sends a message of the response. The head waits for the first of the body: the head of an empty response is all of it."""
        if message["type"] == "http.response.start":
            self._start, self._status, self._headers = message, message["status"], tuple(message.get("headers") or ())
            return
        if message["type"] == "http.response.body":
            self._body += message.get("body", b"")[: LARGEST_KEPT + 1 - len(self._body)]
            if message.get("more_body"):
                self._is_streamed = True
            elif self._is_streamed and self._request.is_left:
                # Some applications end a stream normally after its client has left.
                await self.release()
            elif self._lease is not None:
                lease, self._lease = self._lease, None
                await self._http.finish(lease, self._status, self._headers, bytes(self._body))
        if self._start is not None:
            start, self._start = self._start, None
            await onward(start)
        await onward(message)

    async def release(self) -> None:
        """Lets the request run again, if it broke off before the end of its response."""
        lease, self._lease = self._lease, None
        if lease is not None:
            await self._http.release(lease)


class BrokenOff(ConnectionError):
    """The client left before the end of the request."""


class Body:
    """The body of a request. ``beginning`` reads ahead, and ``receive`` still returns every message."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ahead: deque[Message] = deque()
        self._beginning = bytearray()
        self._more = True
        self._is_broken = False
        self.is_left: bool = False

    async def receive(self) -> Message:
        """Returns the next message of the server."""
        return self._ahead.popleft() if self._ahead else await self._next_message()

    async def beginning(self) -> bytes:
        """Returns the body, up to one byte beyond the limit. Raises ``BrokenOff`` for an incomplete body."""
        while self._more and len(self._beginning) <= LARGEST_ONCE:
            self._ahead.append(await self._next_message())
        if self._is_broken:
            raise BrokenOff
        return bytes(self._beginning)

    async def _next_message(self) -> Message:
        message = await self._receive()
        self.is_left |= message["type"] != "http.request"
        if self._more:
            self._is_broken = self.is_left
            self._beginning += message.get("body", b"")[: LARGEST_ONCE + 1 - len(self._beginning)]
            self._more = message.get("more_body", False)
        return message


async def start_idempotent(http: AsyncHttp, context: AuthContext, state: MutableMapping[str, Any]) -> Response | None:
    """Starts an idempotent request. Returns the stored response of a repeated one, or None if the request must run."""
    if not context.once or "keywright_idempotent" in state:
        return None
    outcome = await http.once(context, await state["keywright_body"].beginning())
    if isinstance(outcome, Response):
        return outcome
    state["keywright_idempotent"] = IdempotentRequest(http, outcome, state["keywright_body"])
    return None
