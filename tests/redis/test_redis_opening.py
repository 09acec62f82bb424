"""Servers that cannot keep budgets: each error names the reason and the fix, and no password."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from limited import ESCAPED, PASSWORD
from listening import listening, silent, web
from postgres import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from limited import Limited


ROOT = Path(__file__).parents[2]
# Seconds. Without the step `rust` before, the program is built first.
BUILD_PATIENCE = 3_600


def says(said: str, *parts: str) -> None:
    for part in parts:
        assert part in said, said


def replies(*answers: bytes) -> Callable[[socket.socket], None]:
    """A server that gives these answers, one to each command."""

    def serve(client: socket.socket) -> None:
        for answer in answers:
            client.recv(65_536)
            client.sendall(answer)
        client.recv(65_536)

    return serve


def hello(version: str, *, mode: str = "standalone", role: str = "master") -> bytes:
    """The answer of a server to `HELLO`."""
    told = {"server": "redis", "version": version, "mode": mode, "role": role}
    words = [it for pair in told.items() for it in pair]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it.encode()) for it in words)


def test_every_version_sells_to_all_engines(limited: Limited, version: str) -> None:
    server = limited.server(version=version)
    for url in (f"{server['url']}?db=1&prefix=socket", f"{server['tcp_url']}/2?prefix=port"):
        one, other = limited.open(url), limited.open(url)
        decisions = [kw.verify(limited.key) for kw in (one, other, one, other, one, other, one)]
        assert [it.code for it in decisions] == [None] * 5 + ["rate_limited"] * 2
        assert all(state.shared for it in decisions for state in it.limits)
    limited.servers("stop", server["name"])


def test_every_version_keeps_the_contracts(limited: Limited, version: str) -> None:
    """Those of shared places and of limiters, in the program of the step `rust`."""
    command = "cargo test --quiet --workspace --test engine -- every_check_of --skip the_contract"
    environment = {**os.environ, "KEYWRIGHT_TEST_LIMITER": limited.server(version=version)["url"] + "?response_timeout=1s"}
    done = subprocess.run(command.split(), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=BUILD_PATIENCE)
    says(done.stdout + done.stderr, "shared limits: 6 checks", "limiters: 8 checks of 1", "2 passed")


def test_a_password(limited: Limited) -> None:
    server = limited.server(settings={"requirepass": PASSWORD})
    place = server["tcp_url"].removeprefix("redis://")
    says(limited.refusal(server["url"]), "asks for a password", "user:password@")
    says(limited.refusal(f"redis://:wrong@{place}"), "refuses the password of the user default", "correct user and password")
    says(limited.refusal(f"redis://app:{ESCAPED}@{place}"), "refuses the password of the user app")
    for url in (f"redis://:{ESCAPED}@{place}", f"{server['url']}?user=default&password={ESCAPED}"):
        assert limited.shares(limited.open(url))


def test_the_rights_in_the_error_are_enough(limited: Limited, version: str) -> None:
    server = limited.server(version=version)
    name = server["name"]
    limited.servers("command", name, words=f"ACL SETUSER app on >{PASSWORD} +hello +select")
    url = server["tcp_url"].replace("redis://", f"redis://app:{ESCAPED}@") + "/1?prefix=web"
    said = limited.refusal(url)
    says(said, "the user app may not do this", "ACL SETUSER app ~{web}:* ")
    limited.servers("command", name, words="ACL SETUSER" + said.rpartition("ACL SETUSER")[2])
    assert limited.shares(limited.open(url))
    says(limited.refusal(url.replace("web", "other")), "the user app may not do this", "~{other}:*")


def test_a_replica(limited: Limited) -> None:
    primary = limited.server()
    replica = limited.server(of=primary["name"])
    says(limited.refusal(replica["url"]), "is a replica", "name the primary")


def test_no_memory(limited: Limited, version: str) -> None:
    server = limited.server(version=version, settings={"maxmemory": "1"})
    says(limited.refusal(server["url"]), "out of memory", "raise maxmemory")


def test_no_such_database(limited: Limited) -> None:
    says(limited.refusal(limited.server()["tcp_url"] + "/9"), "has no database 9", "raise databases")


def test_a_server_that_is_too_old(limited: Limited) -> None:
    unknown = b"-ERR unknown command `HELLO`, with args beginning with: \r\n"
    for answer, told in ((unknown, "an old release"), (hello("6.0.16"), "release 6.0.16"), (hello("5.0.7"), "release 5.0.7")):
        with listening(replies(answer)) as port:
            says(limited.refusal(f"redis://127.0.0.1:{port}"), told, "needs 6.2", "update the server")


@pytest.mark.parametrize(
    "nonsense", [b"+OK\r\n", b":1\r\n", b"*0\r\n", b"*5\r\n:9\r\n:0\r\n:2\r\n:0\r\n:0\r\n", b"*5\r\n:9\r\n:0\r\n:1\r\n:-1\r\n:0\r\n"]
)
def test_answers_that_mean_nothing(limited: Limited, nonsense: bytes) -> None:
    with listening(replies(hello("7.2.4"), nonsense)) as port:
        says(limited.refusal(f"redis://127.0.0.1:{port}"), "does not give", "without a program in between")


def test_a_server_of_another_kind(limited: Limited) -> None:
    with listening(web) as port:
        says(limited.refusal(f"redis://127.0.0.1:{port}"), f"127.0.0.1:{port} is no Redis", "host and port in the URL")


def test_a_server_that_says_nothing(limited: Limited) -> None:
    with listening(silent) as port:
        said = limited.refusal(f"redis://:{ESCAPED}@127.0.0.1:{port}?connect_timeout=200ms")
        says(said, f"127.0.0.1:{port}", "within connect_timeout")


def test_nothing_listens(limited: Limited) -> None:
    port = free_port()
    says(limited.refusal(f"redis://:{ESCAPED}@127.0.0.1:{port}"), f"127.0.0.1:{port} cannot be reached", "nothing listens")
    says(limited.refusal("redis+unix:///nowhere/redis.sock"), "/nowhere/redis.sock cannot be reached", "no such socket")


def test_tls(limited: Limited) -> None:
    server = limited.server(tls=True)
    folder = limited.servers("certificates")
    url = server["tls_url"]
    assert limited.shares(limited.open(f"{url}?cacert={folder}/ca.pem"))
    assert limited.shares(
        limited.open(f"{url}?cacert={folder}/ca.pem&cert={folder}/good.pem&key={folder}/good.key".replace("127.0.0.1", "localhost"))
    )
    says(limited.refusal(url), "no authority in cacert signed the certificate")
    says(limited.refusal(f"{url}?cacert={folder}/stranger.pem"), "no authority in cacert signed the certificate")
    says(limited.refusal(f"{url}?cacert={folder}/nothing.pem"), "limiter: cacert names no file")
    limited.servers("certify", server["name"], certificate="other")
    says(limited.refusal(f"{url}?cacert={folder}/ca.pem"), "the certificate of the server is for another name")
    limited.servers("certify", server["name"], certificate="expired")
    says(limited.refusal(f"{url}?cacert={folder}/ca.pem"), "the certificate of the server has expired")
    # TLS on one side only.
    plain = server["tcp_url"].replace("redis://", "rediss://")
    says(limited.refusal(f"{plain}?connect_timeout=500ms"), "within connect_timeout", "write redis:// if it does not speak TLS")
    says(limited.refusal(url.replace("rediss://", "redis://")), "rediss://")


def test_a_cluster(limited: Limited) -> None:
    alone, cluster = limited.server(), limited.servers("redis_cluster", version=limited.newest())
    one, other = limited.open(cluster["url"]), limited.open(f"redis://127.0.0.1:{cluster['ports'][1]}?cluster=yes")
    decisions = [kw.verify(limited.key) for kw in (one, other, one, other, one, other)]
    assert [it.code for it in decisions] == [None] * 5 + ["rate_limited"]
    says(limited.refusal(alone["tcp_url"] + "?cluster=yes"), "is no part of a cluster", "leave cluster=yes out")
    says(limited.refusal(f"redis://127.0.0.1:{cluster['ports'][0]}"), "is part of a cluster", "add cluster=yes")


@pytest.mark.parametrize(
    ("limiter", "parts"),
    [
        ("redis://h/x", ["limiter: db"]),
        ("redis://h?prefiks=a", ["limiter:", "did you mean prefix?"]),
        ("redis://h?response_timeout=2s", ["limiter: response_timeout", "1s"]),
        ("redis:h", ["limiter: is no limiter"]),
        ("rediss://h?cert=/c.pem", ["limiter: cert"]),
    ],
)
def test_a_wrong_url(limited: Limited, limiter: str, parts: list[str]) -> None:
    says(limited.refusal(limiter), *parts)
