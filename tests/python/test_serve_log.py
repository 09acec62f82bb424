"""The lines that ``keywright serve`` writes: one for each request, and one for each trouble."""

from __future__ import annotations

import json
import re
import resource
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from program import Served
from waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = Served(tmp_path)
    yield server
    server.end()


def request(method: str, path: str, key: str, body: Any = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def statuses(client: socket.socket) -> list[int]:
    """The statuses of the answers until the server closes the connection."""
    parts = []
    while part := client.recv(65_536):
        parts.append(part)
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", b"".join(parts))]


def logged(served: Served) -> list[tuple[str, str, int]]:
    lines = (served.folder / "access.log").read_text().splitlines()
    return [(it["method"], it["path"], it["status"]) for it in map(json.loads, lines)]


def test_a_client_that_has_closed_its_half_gets_every_answer(served: Served) -> None:
    manager = served.create("--scopes", "keys:manage,keys:verify")
    served.start()
    wanted: list[tuple[str, str, int]] = []
    pipelines: list[list[tuple[str, str, int, Any]]] = [
        [("POST", "/keys", 201, {"name": "made"})],
        [("POST", "/verify", 200, {"api_key": manager})],
        [("GET", "/keys", 200, None), ("POST", "/verify", 400, {"api_key": 7}), ("POST", "/keys", 201, {"name": "made"})],
    ]
    # The first verification of a key, and each change, wait for the database; later verifications are from memory.
    for _ in range(5):
        for requests in pipelines:
            with served.connect() as client:
                client.sendall(b"".join(request(method, path, manager, body) for method, path, _, body in requests))
                client.shutdown(socket.SHUT_WR)
                assert statuses(client) == [status for *_, status, _ in requests]
            wanted += [(method, path, status) for method, path, status, _ in requests]
    served.stop()
    assert logged(served) == wanted


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_request_whose_client_is_gone_leaves_a_line_and_a_count(served: Served, is_reset: bool) -> None:
    manager = served.create("--scopes", "keys:manage")
    served.start()
    count = 20
    for number in range(count):
        with served.connect() as client:
            client.sendall(request("POST", "/keys", manager, {"name": f"made {number}"}))
            if is_reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until("every connection has ended", lambda: f"connections_accepted_total {count}" in served.metrics())
    until("every connection has ended", lambda: "keywright_connections 0" in served.metrics())
    text = served.metrics()
    _, _, _ = served.stop()
    lines = [it for it in logged(served) if it[:2] == ("POST", "/keys")]
    # A reset may overtake the request, which then never began; a close never does.
    assert len(lines) == count or is_reset
    assert sum(int(it.split()[-1]) for it in text.splitlines() if 'requests_total{route="management"' in it) == len(lines)
    made = [json.loads(it)["name"] for it in served.run("keys", "list", "--json").splitlines()]
    assert len(made) - 1 <= len(lines)


def test_a_client_that_leaves_in_the_middle_leaves_a_line(served: Served) -> None:
    manager = served.create("--scopes", "keys:manage")
    served.start()
    whole = request("POST", "/keys", manager, {"name": "made"})
    with served.connect() as client:
        client.sendall(whole[:-3])
    until("the line is written", lambda: logged(served) == [("POST", "/keys", 400)])


def test_a_key_in_any_place_of_the_first_line_is_masked(tmp_path: Path) -> None:
    for form in ["json", "text"]:
        folder = tmp_path / form
        folder.mkdir()
        served = Served(folder, server=f'log = "{form}"')
        key = served.create("--scopes", "keys:manage")
        served.start()
        try:
            for head in [f"{key} /keys", f"X{key} /keys", f"GET /keys/{key}?x={key}", f"{'A' * 1_000}{key} /keys"]:
                with served.connect() as client:
                    client.sendall(f"{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
                    assert statuses(client)
            served.process.terminate()
            assert served.process.wait(PATIENCE) == 0
            text = (folder / "access.log").read_text()
            assert text.count("\n") == 4 and text.count(key[:18]) >= 3 and key[-38:] not in text and key[-10:] not in text
        finally:
            served.end()


def is_lost(served: Served, count: str) -> bool:
    return f"keywright_access_log_lost_total {count}\n" in served.metrics()


def test_a_line_after_a_full_disk_is_whole(served: Served) -> None:
    verifier = served.create("--scopes", "keys:verify")
    start, room = 1 << 28, 100
    with (served.folder / "full.log").open("ab") as log:
        # Only this file is as long as the limit, which ends the first line in its middle.
        log.truncate(start)
        served.start(stdout=log)
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (start + room, resource.RLIM_INFINITY))
    for lost in ["1", "2"]:
        assert served.ask("POST", "/verify", verifier, {"api_key": verifier})[0] == 200
        until("the lost line is counted", partial(is_lost, served, lost))
    resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for _ in range(2):
        assert served.ask("POST", "/verify", verifier, {"api_key": verifier})[0] == 200
    served.process.terminate()
    assert served.process.wait(PATIENCE) == 0
    with (served.folder / "full.log").open("rb") as log:
        log.seek(start)
        cut, *whole = log.read().splitlines()
    assert len(cut) == room and [json.loads(line)["path"] for line in whole] == ["/verify", "/verify"]


def test_each_trouble_is_told_once(served: Served) -> None:
    manager = served.create("--scopes", "keys:manage")
    served.start()
    (served.folder / "keys.db").unlink()
    for _ in range(3):
        status, found = served.ask("POST", "/keys", manager, {"name": "x"})
        assert (status, found["code"]) == (503, "UNAVAILABLE") and "The change cannot be made" in json.dumps(found)
    until("the reason is told", lambda: "was deleted" in served.said())
    _, _, said = served.stop()
    told = [line for line in said.splitlines() if "keys.db cannot be used: " in line]
    assert len(told) == 1 and manager not in said
    # An error at the start is told once as well.
    (served.folder / "keys.db").write_text("no database")
    done = served.attempt("serve")
    assert (done.returncode, done.stderr.count("\n")) == (5, 1)
