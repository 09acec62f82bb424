"""``keywright serve`` over real sockets."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keywright import Keywright
from program import PEPPER, Served, asked
from waiting import PATIENCE, until


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes servers with settings of their own, which end with the test."""
    made: list[Served] = []

    def make(**settings: str) -> Served:
        made.append(Served(tmp_path, **settings))
        return made[-1]

    yield make
    for server in made:
        server.end()


@pytest.fixture
def served(serve: Callable[..., Served]) -> Served:
    return serve()


def test_one_and_many_keys_are_verified(served: Served) -> None:
    verifier, key = served.create("--scopes", "keys:verify"), served.create("--org", "acme", "--scopes", "deals:read")
    served.start()
    status, found = served.ask("POST", "/verify", verifier, {"api_key": key, "scopes": "deals:read", "ip": "203.0.113.7"})
    assert (status, found["allowed"], found["key"]["org"]) == (200, True, "acme")
    status, found = served.ask("POST", "/verify", verifier, {"api_key": key, "scopes": "deals:write"})
    assert (status, found["allowed"], found["code"], found["missing_scopes"]) == (200, False, "insufficient_scope", ["deals:write"])
    many = [{"api_key": key}, {"api_key": "acme_live_nonsense"}, {"api_key": None}, {"api_key": key, "org": "other"}]
    status, found = served.ask("POST", "/verify", verifier, {"verifications": many})
    assert [it["code"] for it in found["data"]] == [None, "invalid", "missing", "invalid"]
    for number, status in [(0, 400), (100, 200), (101, 400)]:
        assert served.ask("POST", "/verify", verifier, {"verifications": [{"api_key": "x"}] * number})[0] == status
    code, log, _ = served.stop()
    assert code == 0
    assert {it["path"] for it in log} == {"/verify"} and all(it["request_id"] for it in log)
    assert key not in json.dumps(log) and verifier not in json.dumps(log)
    # The counts of the server are written when it stops.
    assert json.loads(served.run("keys", "list", "--org", "acme", "--json"))["usage_count"] == 101 - 100 + 1


def test_only_proved_callers_verify(served: Served) -> None:
    plain, key = served.create(), served.create()
    foreign = served.create("--org", "acme", "--scopes", "keys:verify")
    served.start()
    for caller, status, code in [
        (None, 401, "API_KEY_REQUIRED"),
        ("acme_live_nonsense", 401, "INVALID_API_KEY"),
        (plain, 403, "INSUFFICIENT_SCOPE"),
    ]:
        got, found = served.ask("POST", "/verify", caller, {"api_key": key})
        assert (got, found["code"]) == (status, code)
    # A key of another org learns nothing of this one.
    assert served.ask("POST", "/verify", foreign, {"api_key": key})[1]["code"] == "invalid"
    assert served.ask("POST", "/verify", foreign, {"api_key": key, "org": "default"})[0] == 403
    assert served.ask("POST", "/verify", foreign, {"api_key": foreign})[1]["allowed"]


def test_a_batch_is_read_whole_before_a_key_is_judged(served: Served) -> None:
    verifier, key = served.create("--scopes", "keys:verify"), served.create("--scopes", "deals:read")
    served.start()
    for wrong in (
        {"api_key": 7},
        {"api_key": "x", "scopes": []},
        {"api_key": "x", "environment": "nowhere"},
        {"api_key": "x", "org": "no org!"},
    ):
        status, found = served.ask("POST", "/verify", verifier, {"verifications": [{"api_key": key}, wrong]})
        assert status == 400, found
    status, found = served.ask("POST", "/verify", verifier, {"api_key": key})
    assert (status, found["key"]["usage_count"]) == (200, 0)
    served.stop()
    listed = [json.loads(line) for line in served.run("keys", "list", "--json").splitlines()]
    assert [it["usage_count"] for it in listed if it["prefix"] in key] == [1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "api_key"),
        ({"api_key": 7}, "api_key"),
        ({"api_key": "x", "scope": "a:b"}, "scope"),
        ({"api_key": "x", "scopes": []}, "scopes"),
        ({"api_key": "x", "org": "no org!"}, "org"),
        ({"verifications": {}}, "verifications"),
        ({"verifications": [7]}, "verifications"),
        ({"verifications": [], "api_key": "x"}, "api_key"),
    ],
)
def test_bad_bodies_are_refused_with_the_field(served: Served, body: Any, field: str) -> None:
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    status, found = served.ask("POST", "/verify", verifier, body)
    assert status == 400 and field in json.dumps(found), found


def test_keys_are_managed_introspected_and_forwarded(serve: Callable[..., Served]) -> None:
    served = serve(http='forward_auth = "traefik"\nroutes = [{ method = "GET", path = "/deals", scopes = "deals:read" }]')
    manager = served.create("--scopes", "keys:manage,keys:introspect,deals:read")
    served.start()
    status, made = served.ask("POST", "/keys", manager, {"name": "made", "scopes": "deals:read"})
    assert status == 201
    assert [it["name"] for it in served.ask("GET", "/keys", manager)[1]["data"]] == ["made", "CI"]
    connection = http.client.HTTPConnection("127.0.0.1", served.port(), timeout=PATIENCE)
    headers = {"authorization": f"Bearer {made['api_key']}", "x-forwarded-method": "GET", "x-forwarded-uri": "/deals"}
    connection.request("GET", "/forward-auth", headers=headers)
    response = connection.getresponse()
    assert (response.status, response.headers["x-keywright-key"]) == (200, made["id"])
    response.read()
    form = {"authorization": f"Bearer {manager}", "content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/introspect", f"token={made['api_key']}", form)
    assert json.loads(connection.getresponse().read())["active"]
    connection.close()
    assert served.ask("GET", "/element.js")[0] == 200
    assert served.ask("DELETE", f"/keys/{made['id']}", manager)[1]["status"] == "revoked"
    assert served.ask("GET", "/nothing", manager)[0] == 404
    assert served.stop()[0] == 0


def test_health_tells_an_outage_and_metrics_name_no_key(served: Served) -> None:
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    served.ask("POST", "/verify", verifier, {"api_key": verifier})
    served.ask("GET", f"/keys/{verifier}", verifier)
    for path in ["/livez", "/readyz"]:
        assert served.ask("GET", path, place=served.admin) == (200, "ok\n")
    # Health is not part of the API, nor the API of health.
    assert served.ask("GET", "/readyz", verifier)[0] == 404
    assert served.ask("GET", "/keys", verifier, place=served.admin)[0] == 404
    status, text = served.ask("GET", "/metrics", place=served.admin)
    assert status == 200 and 'keywright_http_requests_total{route="verify",status="2xx"} 1' in text
    assert "keywright_store_up 1" in text and "keywright_webhooks_pending 0" in text and "acme_live" not in text
    assert all(re.fullmatch(r"(# (HELP|TYPE) keywright_.*|keywright_[a-z_]+(\{[^{}]*\})? [0-9.e-]+)", it) for it in text.splitlines())
    (served.folder / "keys.db").unlink()
    status, text = served.ask("GET", "/readyz", place=served.admin)
    assert status == 503 and "the database was deleted" in text
    assert served.ask("GET", "/livez", place=served.admin)[0] == 200
    text = served.ask("GET", "/metrics", place=served.admin)[1]
    assert "keywright_store_up 0" in text and "webhooks_delivered_total 0" in text
    assert "webhooks_pending" not in text and "webhooks_dead" not in text
    assert served.ask("POST", "/verify", verifier, {"api_key": verifier})[0] == 503
    _, log, _ = served.stop()
    assert verifier not in json.dumps(log)


def test_a_proxy_on_a_unix_socket_forwards_strangers(serve: Callable[..., Served]) -> None:
    served = serve(http='trusted_proxies = ["unix:"]\npath = "/api-keys"')
    verifier, place = served.create("--scopes", "keys:verify"), served.folder / "kw.sock"
    served.start("--listen", f"unix:{place}")
    for caller, status in [(None, 401), (verifier, 200)]:
        connection = http.client.HTTPConnection("keywright", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        connection.sock.connect(str(place))
        assert asked(connection, "POST", "/verify", caller, {"api_key": verifier})[0] == status


def test_a_unix_socket_needs_no_key_and_is_private(served: Served) -> None:
    place = served.folder / "kw.sock"
    # The socket of a server that was killed does not keep the next one from starting.
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place))
    key = served.create()
    served.start("--listen", f"unix:{place}")
    assert served.place == f"unix:{place}" and place.stat().st_mode & 0o777 == 0o600
    connection = http.client.HTTPConnection("keywright", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect(str(place))
    assert asked(connection, "POST", "/verify", None, {"api_key": key})[1]["allowed"]
    # A second server must not take the place of the first one, nor that of any other file.
    os.mkfifo(served.folder / "pipe")
    for taken in (place, served.folder / "keys.db", served.folder / "pipe"):
        done = served.attempt("serve", "--listen", f"unix:{taken}")
        assert done.returncode == 2 and "listen: cannot be used" in done.stderr and taken.exists()
    assert (served.folder / "pipe").is_fifo()
    assert served.stop()[0] == 0 and not place.exists()


def closed(client: socket.socket) -> bytes:
    """The bytes that come until the server closes the connection."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def head_of(key: str) -> bytes:
    """The head of a verification, without its end."""
    return f"POST /verify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n".encode()


def test_oversized_and_broken_requests_are_refused(served: Served) -> None:
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    for name, sent, answer in [
        ("a large head", b"GET / HTTP/1.1\r\nx: " + b"a" * 40_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
        ("many headers", b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", b"HTTP/1.1 431"),
        ("no HTTP", b"\x16\x03\x01\x02\x00\r\n\r\n", b"HTTP/1.1 400"),
        ("another protocol", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b""),
    ]:
        with served.connect() as client:
            client.sendall(sent)
            assert closed(client).startswith(answer), name
    body = {"api_key": "x" * 70_000}
    status, found = served.ask("POST", "/verify", verifier, body)
    assert (status, found["code"]) == (413, "TOO_LARGE")
    # HTTP/1.0 needs no host, HTTP/1.1 one, and none has two. The body of this is read by nobody.
    for version, hosts, status in [
        ("1.0", [], 404),
        ("1.0", ["x", "y"], 400),
        ("1.1", [], 400),
        ("1.1", ["x", "x"], 400),
        ("1.1", ["x, y"], 400),
        ("1.1", ["a@b"], 400),
        ("1.1", [""], 404),
        ("1.1", ["[::1]:8787"], 404),
    ]:
        lines = "".join(f"host: {host}\r\n" for host in hosts)
        for place in [served.place, served.admin]:
            with socket.create_connection(("127.0.0.1", served.port(place)), timeout=PATIENCE) as client:
                client.sendall(f"GET /nothing HTTP/{version}\r\n{lines}connection: close\r\n\r\n".encode())
                assert int(closed(client).split()[1]) == status, (version, hosts, place)
    assert served.ask("POST", "/verify", verifier, {"api_key": verifier})[1]["allowed"]
    assert served.stop()[0] == 0


def test_metrics_count_connections_of_the_api_alone(served: Served) -> None:
    served.start()
    for place in (served.admin, served.place):
        with socket.create_connection(("127.0.0.1", served.port(place)), timeout=PATIENCE) as client:
            client.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
            assert closed(client).startswith(b"HTTP/1.1 400")
    until("the broken one is counted", lambda: "keywright_connections_broken_total 1\n" in served.metrics())
    assert "keywright_connections_accepted_total 1\n" in served.metrics()


def test_slow_clients_lose_their_connection(serve: Callable[..., Served]) -> None:
    served = serve(server='header_timeout = "1s"').start()
    for sent in [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"]:
        with served.connect() as client:
            client.sendall(sent)
            assert b" 200 " not in closed(client)
    # One letter at a time moves the deadline no further.
    with served.connect() as client:
        until("the connection is closed", partial(is_refused, client, b"G"))
    assert served.stop()[0] == 0


def is_refused(client: socket.socket, part: bytes) -> bool:
    """Sends a little more. Returns whether the server has closed the connection."""
    try:
        client.sendall(part)
        client.setblocking(False)
        return not client.recv(65_536)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        client.settimeout(PATIENCE)


def test_a_slow_body_is_refused(serve: Callable[..., Served]) -> None:
    served = serve(server='request_timeout = "1s"').start()
    with served.connect() as client:
        client.sendall(head_of("x") + b"content-length: 100\r\n\r\n{")
        assert closed(client).startswith(b"HTTP/1.1 408")
    assert served.stop()[0] == 0


def test_a_client_that_reads_nothing_loses_its_connection(serve: Callable[..., Served]) -> None:
    served = serve(server='request_timeout = "1s"')
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    many = json.dumps({"verifications": [{"api_key": "x"}] * 100}).encode()
    request = head_of(verifier) + b"content-length: %d\r\n\r\n%s" % (len(many), many)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", served.port()))
        client.setblocking(False)
        unsent = memoryview(b"")

        def is_broken() -> bool:
            nonlocal unsent
            try:
                while True:
                    unsent = unsent or memoryview(request)
                    unsent = unsent[client.send(unsent) :]
            except BlockingIOError:
                # The server waits for this client to read.
                pass
            except ConnectionError:
                return True
            return "keywright_connections 0" in served.metrics()

        until("the server has given the client up", is_broken)
    until("the client is counted", lambda: "keywright_connections_broken_total 1" in served.metrics())
    assert served.stop()[0] == 0


def test_many_slow_clients_keep_nobody_out_for_long(serve: Callable[..., Served]) -> None:
    served = serve(server='max_connections = 4\nheader_timeout = "1s"').start()
    slow = [served.connect() for _ in range(12)]

    def is_answered() -> bool:
        try:
            return served.ask("POST", "/verify", None, {"api_key": "x"})[0] == 401
        except (http.client.HTTPException, OSError):
            # On a busy machine this client may be too slow as well.
            return False

    until("somebody else is answered", is_answered)
    for client in slow:
        client.close()
    assert served.stop()[0] == 0


def test_a_stop_lets_requests_end_and_keeps_its_deadline(serve: Callable[..., Served]) -> None:
    served = serve(server='stop_timeout = "1s"')
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    idle, begun = served.connect(), served.connect()
    begun.sendall(head_of(verifier) + b"content-length: 100\r\n\r\n{")
    # The request has begun when the server counts it among its connections.
    until("both are connected", lambda: "keywright_connections 2" in served.metrics())
    code, _, said = served.stop()
    # The idle connection is closed at once; the request never ends, so the deadline ends it.
    assert code == 1 and "had not ended in time" in said
    assert closed(idle) == b""
    begun.close()
    idle.close()


def test_it_is_not_ready_while_requests_end(served: Served) -> None:
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    body = json.dumps({"api_key": verifier}).encode()
    with served.connect() as begun:
        begun.sendall(head_of(verifier) + b"content-length: %d\r\n\r\n" % len(body))
        until("the request has begun", lambda: "keywright_connections 1" in served.metrics())
        assert served.ask("GET", "/readyz", place=served.admin) == (200, "ok\n")
        served.process.terminate()
        stopping = (503, "the server is stopping\n")
        until("it tells that it stops", lambda: served.ask("GET", "/readyz", place=served.admin) == stopping)
        assert served.ask("GET", "/livez", place=served.admin)[0] == 200
        with pytest.raises(ConnectionRefusedError):
            served.connect()
        begun.sendall(body)
        assert b'"allowed":true' in closed(begun)
    assert served.process.wait(PATIENCE) == 0


@contextmanager
def hangups(disposition: signal.Handlers) -> Iterator[None]:
    """Programs that start meanwhile have this disposition of SIGHUP, whatever the tests were started with."""
    before = signal.signal(signal.SIGHUP, disposition)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_closed_terminal_stops_it_like_any_other_signal(served: Served) -> None:
    verifier, place = served.create("--scopes", "keys:verify"), served.folder / "kw.sock"
    with hangups(signal.SIG_DFL):
        served.start("--admin-listen", f"unix:{place}")
    assert served.ask("POST", "/verify", verifier, {"api_key": verifier})[1]["allowed"]
    assert served.stop(signal.SIGHUP)[0] == 0 and not place.exists()
    assert json.loads(served.run("keys", "list", "--json"))["usage_count"] == 2


def test_a_closed_terminal_does_not_stop_what_nohup_started(served: Served) -> None:
    with hangups(signal.SIG_IGN):
        served.start()
    served.process.send_signal(signal.SIGHUP)
    for _ in range(10):
        assert served.ask("GET", "/readyz", place=served.admin) == (200, "ok\n")
    assert served.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_open_connections_end(served: Served, number: signal.Signals) -> None:
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    connection = http.client.HTTPConnection("127.0.0.1", served.port(), timeout=PATIENCE)
    connection.request("POST", "/verify", json.dumps({"api_key": verifier}), {"api-key": verifier, "content-type": "application/json"})
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    assert served.stop(number)[0] == 0
    connection.close()


def test_a_change_that_takes_too_long_is_no_503_which_clients_repeat(serve: Callable[..., Served]) -> None:
    served = serve(server='request_timeout = "2s"')
    manager = served.create("--scopes", "keys:manage")
    served.start()
    with closing(sqlite3.connect(served.folder / "keys.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, found = served.ask("POST", "/keys", manager, {"name": "slow"})
    assert (status, found["code"]) == (504, "UNAVAILABLE")
    # The change waits for the lock still, and is made: a client that repeated it would have two keys.
    until("the change is made", lambda: [it["name"] for it in served.ask("GET", "/keys", manager)[1]["data"]] == ["slow", "CI"])


def test_a_full_disk_under_the_log_loses_lines_and_no_answer(served: Served) -> None:
    verifier = served.create("--scopes", "keys:verify")
    with Path("/dev/full").open("w") as full:
        served.start(stdout=full)
    assert served.ask("POST", "/verify", verifier, {"api_key": verifier})[0] == 200
    until("the lost line is counted", lambda: "keywright_access_log_lost_total 1" in served.metrics())
    assert served.stop()[0] == 0


def test_nobody_who_reads_the_log_keeps_no_answer_back(serve: Callable[..., Served]) -> None:
    served = serve(server='stop_timeout = "1s"')
    reader, writer = os.pipe()
    try:
        # A pipe with room for few lines: it fills, and then every further write waits.
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
        served.start(stdout=writer)
        os.close(writer)
        connection = http.client.HTTPConnection("127.0.0.1", served.port(), timeout=PATIENCE)
        for _ in range(100):
            connection.request("GET", "/" + "a" * 200)
            response = connection.getresponse()
            assert response.status == 404 and response.read()
        connection.close()
        served.process.terminate()
        assert served.process.wait(PATIENCE) == 0
    finally:
        os.close(reader)


def test_tls_with_a_certificate_in_files(serve: Callable[..., Served], tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    names = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names], cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE)
    served = serve(server='tls_certificate = "cert.pem"\ntls_key = "key.pem"')
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    assert served.place.startswith("https://")
    trust = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", served.port(), timeout=PATIENCE, context=trust)
    assert asked(connection, "POST", "/verify", verifier, {"api_key": verifier})[1]["allowed"]
    # A client that does not speak TLS loses its connection.
    with served.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in closed(client)
    assert served.stop()[0] == 0
    pem = {name: (tmp_path / name).read_bytes() for name in ("cert.pem", "key.pem")}
    subprocess.run([*command, *names], cwd=tmp_path, check=True, capture_output=True, timeout=PATIENCE)
    other = (tmp_path / "key.pem").read_bytes()
    for name, content, reason in [
        ("key.pem", None, "tls_key: cannot be used: key.pem: no such file or folder; give the path of a PEM file"),
        ("key.pem", b"no key", "tls_key: cannot be used: key.pem: it holds no private key"),
        ("key.pem", pem["key.pem"].partition(b"-----END")[0], "tls_key: cannot be used: key.pem: it is no PEM file, or a damaged one"),
        ("key.pem", other, "tls_key: does not fit tls_certificate: key.pem"),
        ("cert.pem", None, "tls_certificate: cannot be used: cert.pem: no such file or folder"),
        ("cert.pem", pem["key.pem"], "tls_certificate: cannot be used: cert.pem: it holds no certificate"),
        ("cert.pem", pem["cert.pem"].replace(b"M", b"A", 4), "tls_certificate: cannot be used: cert.pem"),
    ]:
        for whole, text in pem.items():
            (tmp_path / whole).write_bytes(text)
        (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
        done = served.attempt("serve")
        assert done.returncode == 2 and reason in done.stderr, (name, content, done.stderr)


def test_a_port_in_use_is_named(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        done = served.attempt("serve", "--listen", place)
    assert done.returncode == 2 and f"listen: cannot be used: {place}" in done.stderr


def test_many_clients_at_once_get_their_own_answers(served: Served) -> None:
    verifier = served.create("--scopes", "keys:verify")
    keys = [served.create("--org", f"org-{number}") for number in range(4)]
    served.start()
    wrong: list[Any] = []

    def client(number: int) -> None:
        for _ in range(20):
            found = served.ask("POST", "/verify", verifier, {"api_key": keys[number]})[1]
            if found["key"]["org"] != f"org-{number}":
                wrong.append(found)

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not wrong and not any(thread.is_alive() for thread in threads)
    assert served.stop()[0] == 0


def test_a_backup_while_programs_write_is_one_snapshot(served: Served) -> None:
    stop = threading.Event()

    def writer() -> None:
        with Keywright(f"sqlite:{served.folder}/keys.db", brand="acme", pepper=PEPPER, busy_timeout="5m") as kw:
            while not stop.is_set():
                kw.keys.rotate(kw.keys.create(name="x").id)

    served.create()
    threads = [threading.Thread(target=writer, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            said = json.loads(served.run("backup", f"copy{number}.db", "--json"))
            assert said["ok"] and said["checked"] > 1
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    copy = served.folder / "copy4.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    with Keywright(f"sqlite:{copy}", brand="acme", pepper=PEPPER) as kw:
        assert kw.audit.verify().ok
        new = kw.keys.create(name="after the restore")
        assert kw.verify(new.api_key).allowed
