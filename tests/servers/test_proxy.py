from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from client import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ends:
    """A proxy, and both ends of one connection through it."""

    def __init__(self, servers: Any, until: Any) -> None:
        self.servers = servers
        self._until = until
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE)
        self.proxy = servers("proxy", to=self._listening.getsockname()[1])
        self._opened = [self._listening]
        self.client, self.server = self.connect()

    def connect(self) -> tuple[socket.socket, socket.socket]:
        client = socket.create_connection(("127.0.0.1", self.proxy["port"]), PATIENCE)
        server, _ = self._listening.accept()
        server.settimeout(PATIENCE)
        self._opened += [client, server]
        # The proxy counts it among its connections a moment after the server has accepted it.
        own = client.getsockname()[1]
        self._until(lambda: own in [it["client"] for it in self.ask("state")["connections"]])
        return client, server

    def close(self) -> None:
        for it in self._opened:
            it.close()

    def ask(self, request: str, **given: Any) -> Any:
        return self.servers(request, self.proxy["name"], **given)

    def flow(self, direction: str) -> dict[str, Any]:
        return self.ask("state")["connections"][0][direction]


@pytest.fixture
def ends(servers: Any, until: Any) -> Iterator[Ends]:
    found = Ends(servers, until)
    yield found
    found.close()


def is_reset(end: socket.socket) -> bool:
    try:
        return end.recv(1) == b""
    except ConnectionResetError:
        return True


def is_silent(end: socket.socket) -> bool:
    return select.select([end], [], [], 0)[0] == []


def test_traffic_passes_in_both_directions(ends: Ends) -> None:
    ends.client.sendall(b"ask")
    assert ends.server.recv(9) == b"ask"
    ends.server.sendall(b"answer")
    assert ends.client.recv(9) == b"answer"
    ends.client.shutdown(socket.SHUT_WR)
    assert ends.server.recv(1) == b""
    ends.server.sendall(b"last")
    ends.server.close()
    assert ends.client.recv(9) == b"last"
    assert ends.client.recv(9) == b""


def test_delay_keeps_the_order(ends: Ends) -> None:
    ends.ask("traffic", delay=0.3, direction="to_server")
    began = time.monotonic()
    ends.client.sendall(b"one")
    ends.client.sendall(b"two")
    got = b""
    while len(got) < 6:
        got += ends.server.recv(6)
    assert got == b"onetwo"
    assert time.monotonic() - began >= 0.3
    ends.server.sendall(b"answer")
    assert ends.client.recv(9) == b"answer"


def test_hold_keeps_the_bytes_of_one_direction(ends: Ends) -> None:
    ends.ask("traffic", mode="hold", direction="to_server")
    ends.client.sendall(b"held")
    ends.server.sendall(b"passed")
    assert ends.client.recv(9) == b"passed"
    assert ends.flow("to_server")["passed"] == 0
    assert is_silent(ends.server)
    ends.ask("traffic")
    assert ends.server.recv(9) == b"held"


def test_swallow_loses_bytes_and_the_end(ends: Ends, until: Any) -> None:
    ends.ask("traffic", mode="swallow", direction="to_server")
    ends.client.sendall(b"lost")
    until(lambda: ends.flow("to_server")["lost"] == 4)
    ends.ask("traffic")
    ends.client.sendall(b"kept")
    assert ends.server.recv(9) == b"kept"
    ends.ask("traffic", mode="swallow")
    ends.server.close()
    ends.client.sendall(b"more")
    until(lambda: ends.flow("to_server")["lost"] == 8)
    assert is_silent(ends.client)


def test_cut_resets_both_sides(ends: Ends) -> None:
    assert ends.ask("cut") == 1
    assert is_reset(ends.client)
    assert is_reset(ends.server)


def test_half_open_leaves_the_client_connected(ends: Ends, until: Any) -> None:
    assert ends.ask("half_open") == 1
    assert is_reset(ends.server)
    ends.client.sendall(b"nobody hears this")
    until(lambda: ends.flow("to_server")["lost"] == 17)
    assert is_silent(ends.client)


def test_refuse_resets_new_connections_only(ends: Ends) -> None:
    ends.ask("refuse")
    accepted = ends.ask("state")["accepted"]
    # The reset may come before the connection is known to stand.
    with suppress(ConnectionResetError), socket.create_connection(("127.0.0.1", ends.proxy["port"]), PATIENCE) as refused:
        assert is_reset(refused)
    assert ends.ask("state")["accepted"] == accepted + 1
    assert len(ends.ask("state")["connections"]) == 1
    ends.client.sendall(b"ask")
    assert ends.server.recv(9) == b"ask"
    ends.ask("refuse", refuses=False)
    client, server = ends.connect()
    client.sendall(b"ask")
    assert server.recv(9) == b"ask"


def test_one_connection_is_chosen_by_its_number(ends: Ends) -> None:
    client, server = ends.connect()
    first, second = (it["number"] for it in ends.ask("state")["connections"])
    assert first != second
    assert ends.ask("cut", connections=[first]) == 1
    assert is_reset(ends.client)
    client.sendall(b"ask")
    assert server.recv(9) == b"ask"


def test_traffic_covers_later_connections(ends: Ends, until: Any) -> None:
    ends.ask("traffic", mode="swallow")
    client, _ = ends.connect()
    client.sendall(b"lost")
    until(lambda: ends.ask("state")["connections"][1]["to_server"]["lost"] == 4)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"mode": "x"}, "mode is 'x'"), ({"direction": "x"}, "direction is 'x'"), ({"connections": "x"}, "connections is 'x'")],
)
def test_wrong_requests_change_nothing(ends: Ends, given: dict[str, str], said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        ends.ask("traffic", **{"mode": "swallow", **given})
    ends.client.sendall(b"ask")
    assert ends.server.recv(9) == b"ask"


@contextmanager
def psql(servers: Any, proxy: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A `psql` that reads commands, through a proxy and without TLS."""
    program = servers("programs", servers("versions")[-1]) + "/psql"
    command = [program, f"{proxy['url']}?sslmode=disable", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PGCONNECT_TIMEOUT": "300"}
    ) as running:
        yield running
        running.kill()


def said(running: subprocess.Popen[str], lines: str) -> list[str]:
    """The output of commands. By then the server was ready for the next one, which the proxy has counted."""
    assert running.stdin is not None and running.stdout is not None
    running.stdin.write(f"{lines}\n\\! echo end of output\n")
    running.stdin.flush()
    found = []
    while (line := running.stdout.readline()) != "end of output\n":
        assert line, "psql ended"
        found.append(line.strip())
    return found


def test_round_trips_are_counted(servers: Any) -> None:
    proxy = servers("proxy", to=servers("versions")[-1])
    with psql(servers, proxy) as running:
        assert said(running, "select 1;") == ["1"]
        state = servers("state", proxy["name"])
        assert (state["trips"], state["requests"], state["accepted"]) == (1, 1, 1)
        assert said(running, "select 2;") == ["2"]
        assert said(running, "select 3;") == ["3"]
        state = servers("state", proxy["name"])
        assert (state["trips"], state["requests"]) == (3, 3)
        servers("reset", proxy["name"])
        # All of it is sent before the first response is read.
        pipeline = "\\startpipeline\nselect 4 \\bind \\sendpipeline\n\\syncpipeline\nselect 5 \\bind \\sendpipeline\n\\endpipeline"
        assert said(running, pipeline) == ["4", "5"]
        state = servers("state", proxy["name"])
        assert (state["trips"], state["requests"]) == (1, 2)


def test_the_listening_connection_is_told_apart(servers: Any, until: Any) -> None:
    proxy = servers("proxy", to=servers("versions")[-1])
    with psql(servers, proxy) as listening, psql(servers, proxy) as other:
        assert said(listening, "listen changes;\nselect 1;") == ["1"]
        assert said(other, "select 2;") == ["2"]
        # Either of them may have connected first.
        assert sorted(it["listens"] for it in servers("state", proxy["name"])["connections"]) == [False, True]
        servers("traffic", proxy["name"], mode="hold", connections="listening", direction="to_client")
        assert said(other, "notify changes;\nselect 3;") == ["3"]
        modes = {it["listens"]: it["to_client"]["mode"] for it in servers("state", proxy["name"])["connections"]}
        assert modes == {True: "hold", False: "pass"}
        servers("traffic", proxy["name"])
        until(lambda: any("changes" in line for line in said(listening, "select 4;")))
