"""A TCP proxy for PostgreSQL that disturbs its traffic, and counts round trips."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 65_536
DIRECTIONS = ("to_server", "to_client")
# `hold` keeps bytes until the traffic may pass again; `swallow` loses them, and the end of the stream with them.
MODES = ("pass", "hold", "swallow")
CONNECTIONS = ("all", "listening", "other")
# Codes of a first message that is no login: TLS, GSS encryption.
ASKS_FOR_ENCRYPTION = (80_877_103, 80_877_104)


@dataclass
class Trips:
    """The longest chain of requests in which each was sent after the response to the one before.

    Requests that are sent together make one trip, on one connection or on several.
    """

    answered: int = 0
    requests: int = 0

    def sent(self) -> int:
        """The place in its chain of a request that is sent now."""
        self.requests += 1
        return self.answered + 1

    def told(self, place: int) -> None:
        """Counts the response to a request."""
        self.answered = max(self.answered, place)


@dataclass
class Messages:
    """The messages of one connection, as far as counting needs them. Encrypted ones are not counted."""

    trips: Trips
    logged_in: bool = False
    encrypted: bool = False
    listens: bool = False
    _asked: bool = False
    _started: bool = False
    _sent: bytearray = field(default_factory=bytearray)
    _received: bytearray = field(default_factory=bytearray)
    _waiting: deque[int] = field(default_factory=deque)

    def from_client(self, data: bytes) -> None:
        if self.encrypted:
            return
        self._sent += data
        if not self._started and not self._begin():
            return
        for kind, body in typed(self._sent):
            self.listens |= kind in b"QP" and b"listen " in body.lower()
            # A query, a function call or the end of a pipeline: the server tells when it is ready again.
            if self.logged_in and kind in b"QFS":
                self._waiting.append(self.trips.sent())

    def forget(self) -> None:
        """Counts no trip for the responses that are still awaited: their requests were counted before."""
        self._waiting = deque(0 for _ in self._waiting)

    def _begin(self) -> bool:
        """Reads the first messages, which have no type; True after the login message."""
        while len(self._sent) >= 8:
            length, code = struct.unpack("!II", self._sent[:8])
            if len(self._sent) < length:
                return False
            del self._sent[:length]
            if code not in ASKS_FOR_ENCRYPTION:
                self._started = True
                return True
            self._asked = True
        return False

    def from_server(self, data: bytes) -> None:
        if self.encrypted:
            return
        self._received += data
        if self._asked and self._received:
            self._asked = False
            self.encrypted = self._received[:1] != b"N"
            del self._received[:1]
        for kind, _ in typed(self._received) if not self.encrypted else ():
            if kind in b"Z":
                if self._waiting:
                    self.trips.told(self._waiting.popleft())
                self.logged_in = True


def typed(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Takes the complete messages out of a buffer."""
    while len(buffer) >= 5:
        length = 1 + int.from_bytes(buffer[1:5], "big")
        if len(buffer) < length:
            return
        kind, body = bytes(buffer[:1]), bytes(buffer[5:length])
        del buffer[:length]
        yield kind, body


class Flow:
    """One direction of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.mode, self.delay = "pass", 0.0
        self.passed, self.lost = 0, 0
        self.broken = False
        self._changed = asyncio.Event()
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

    def set(self, mode: str, delay: float) -> None:
        self.mode, self.delay = mode, delay
        self._changed.set()

    async def read(self) -> None:
        data = b"-"
        while data:
            try:
                data = await self.reader.read(CHUNK)
            except OSError:
                data, self.broken = b"", True
            await self._chunks.put((asyncio.get_running_loop().time() + self.delay, data))

    async def write(self, see: Any) -> None:
        """Passes bytes on until the stream ends."""
        data = b"-"
        while data:
            due, data = await self._chunks.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            while self.mode == "hold":
                self._changed.clear()
                await self._changed.wait()
            if self.mode == "swallow":
                self.lost += len(data)
                if not data:
                    # The other side never learns of the end.
                    await asyncio.Event().wait()
                continue
            if self.broken and not data:
                raise ConnectionResetError
            see(data)
            self.passed += len(data)
            if data:
                self.writer.write(data)
                await self.writer.drain()
            elif self.writer.can_write_eof():
                self.writer.write_eof()


class Connection:
    """A client's connection, and the one to the server that belongs to it."""

    def __init__(self, number: int, trips: Trips, client: Any, server: Any) -> None:
        self.number = number
        # None if the client has gone already.
        self.port = (client[1].get_extra_info("peername") or (None, None))[1]
        self.messages = Messages(trips)
        self.client, self.server = client[1], server[1]
        self.flows = {"to_server": Flow(client[0], server[1]), "to_client": Flow(server[0], client[1])}

    async def run(self) -> None:
        see = {"to_server": self.messages.from_client, "to_client": self.messages.from_server}
        tasks = [asyncio.ensure_future(it) for name, flow in self.flows.items() for it in (flow.read(), flow.write(see[name]))]
        try:
            await asyncio.gather(*tasks)
        except OSError:
            self.cut()
        finally:
            for task in tasks:
                task.cancel()
            for writer in (self.client, self.server):
                writer.close()

    def cut(self) -> None:
        """Resets both sides."""
        for writer in (self.client, self.server):
            reset(writer)

    def half_open(self) -> None:
        """Resets the server's side. The client's stays open and hears nothing more."""
        for flow in self.flows.values():
            flow.set("swallow", 0)
        reset(self.server)

    def state(self) -> dict[str, Any]:
        flows = {name: {"mode": it.mode, "passed": it.passed, "lost": it.lost} for name, it in self.flows.items()}
        messages = {"listens": self.messages.listens, "logged_in": self.messages.logged_in}
        return {"number": self.number, "client": self.port, **messages, **flows}


def reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Proxy:
    """Listens on a port of 127.0.0.1, and connects each client with another port there."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.trips = Trips()
        self.refuses = False
        self.accepted = 0
        self._numbers = count(1)
        self._open: dict[int, tuple[Connection, asyncio.Task[None]]] = {}
        # Listening connections, and the others, by direction; later connections get them as well.
        self._rules = {(listens, it): ("pass", 0.0) for listens in (True, False) for it in DIRECTIONS}

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        tasks = [task for _, task in self._open.values()]
        for connection, task in list(self._open.values()):
            connection.cut()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuses:
            reset(writer)
            return
        try:
            server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        number = next(self._numbers)
        connection = Connection(number, self.trips, (reader, writer), server)
        self._treat(connection)
        task = asyncio.current_task()
        assert task is not None
        self._open[number] = (connection, task)
        seen = connection.messages.from_client

        def see(data: bytes) -> None:
            listened = connection.messages.listens
            seen(data)
            if connection.messages.listens != listened:
                self._treat(connection)

        connection.messages.from_client = see  # type: ignore[method-assign]
        try:
            # asyncio reports a handler that ends as cancelled for an error.
            with contextlib.suppress(asyncio.CancelledError):
                await connection.run()
        finally:
            del self._open[number]

    def _treat(self, connection: Connection) -> None:
        for name, flow in connection.flows.items():
            flow.set(*self._rules[connection.messages.listens, name])

    def _chosen(self, which: str | list[int]) -> list[Connection]:
        found = [it for it, _ in self._open.values()]
        if isinstance(which, list):
            return [it for it in found if it.number in which]
        if which not in CONNECTIONS:
            raise ValueError(f"connections is {which!r}; it takes {', '.join(CONNECTIONS)}, or a list of numbers")
        return [it for it in found if which == "all" or it.messages.listens == (which == "listening")]

    # The requests of a test.

    def traffic(self, mode: str = "pass", delay: float = 0, connections: str | list[int] = "all", direction: str = "both") -> None:
        """Treats the bytes of connections from now on; `all`, `listening` and `other` include later connections."""
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; it takes {', '.join(MODES)}")
        if direction not in (*DIRECTIONS, "both"):
            raise ValueError(f"direction is {direction!r}; it takes both, {', '.join(DIRECTIONS)}")
        names = DIRECTIONS if direction == "both" else (direction,)
        chosen = self._chosen(connections)
        if not isinstance(connections, list):
            for listens, name in self._rules:
                if name in names and connections in ("all", "listening" if listens else "other"):
                    self._rules[listens, name] = (mode, delay)
        for connection in chosen:
            for name in names:
                connection.flows[name].set(mode, delay)

    def cut(self, connections: str | list[int] = "all") -> int:
        """Resets connections, and tells how many."""
        chosen = self._chosen(connections)
        for it in chosen:
            it.cut()
        return len(chosen)

    def half_open(self, connections: str | list[int] = "all") -> int:
        """Resets the server's side of connections alone, and tells of how many."""
        chosen = self._chosen(connections)
        for it in chosen:
            it.half_open()
        return len(chosen)

    def refuse(self, refuses: bool = True) -> None:
        """Resets each new connection, or accepts them again."""
        self.refuses = refuses

    def state(self) -> dict[str, Any]:
        """Counts the traffic since the last `reset` and the open connections."""
        open_ones = [it.state() for it, _ in self._open.values()]
        return {"trips": self.trips.answered, "requests": self.trips.requests, "accepted": self.accepted, "connections": open_ones}

    def reset(self) -> None:
        """Counts trips, requests and accepted connections from zero."""
        self.trips.answered = self.trips.requests = self.accepted = 0
        for connection, _ in self._open.values():
            connection.messages.forget()
