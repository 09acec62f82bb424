"""``keywright.Client`` and ``keywright.AsyncClient`` with ``keywright serve``, and with servers that fail."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

import keywright
from keywright import AsyncClient, AsyncPage, Client, Keywright, NewKey, Page
from keywright.client.wire import plain
from program import PEPPER, Served
from seed import CREATE, LIST
from waiting import PATIENCE

ALL = "keys:manage,keys:credit,keys:verify,audit:read,deals:read,deals:write,documents:write"


class Site:
    """A server, an engine on its database, and a client."""

    def __init__(self, served: Served, kind: type[Any]) -> None:
        self.served, self.kind = served, kind
        self.loop = asyncio.new_event_loop()
        self.manager = served.create("--scopes", ALL)
        served.start()
        self.engine = Keywright(f"sqlite:{served.folder / 'keys.db'}", brand="acme", pepper=PEPPER, busy_timeout="5m")
        self.opened: list[Any] = []
        self.client = self.open()

    def open(self, url: str | None = None, **options: Any) -> Any:
        # A busy machine is slow; what must fail sets its own time.
        self.opened.append(self.kind(url or self.served.place, **{"api_key": self.manager, "timeout": "5m", **options}))
        return self.opened[-1]

    def settled(self, answer: Any) -> Any:
        async def awaited() -> Any:
            return await answer

        return self.loop.run_until_complete(awaited()) if hasattr(answer, "__await__") else answer

    def all(self, listing: Any) -> list[Any]:
        async def items() -> list[Any]:
            return [it async for it in listing]

        return self.loop.run_until_complete(items()) if hasattr(listing, "__aiter__") else list(listing)

    def close(self) -> None:
        for client in self.opened:
            self.settled(client.close())
        self.engine.close()
        self.loop.close()
        self.served.end()


@pytest.fixture(params=[Client, AsyncClient])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    made = Site(Served(tmp_path), request.param)
    yield made
    made.close()


def test_records_are_those_of_the_engine(site: Site) -> None:
    keys, run = site.client.keys, site.settled
    ends = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
    new = run(keys.create(name="CI", scopes={"deals:read"}, metadata={"team": [1, 2.5]}, limits={"own": 100}, expires_at=ends))
    assert isinstance(new, NewKey) and new.expires_at == ends and new.reveal()["api_key"] == new.api_key
    known = site.engine.keys.get(new.id)
    assert run(keys.get(new.id)) == known and known.metadata == {"team": [1, 2.5]}
    assert new.api_key not in repr(new) + json.dumps(new.to_dict())
    changed = run(keys.update(new.id, name="CD", description=None, metadata={}))
    assert changed == site.engine.keys.get(new.id) and changed.name == "CD"
    rotated = run(keys.rotate(new.id, grace=timedelta(hours=2)))
    assert rotated.id == new.id and len(rotated.secrets) == 2
    assert len(run(keys.end_grace(new.id, reason="done")).secrets) == 1
    assert [run(call(new.id)).status for call in (keys.disable, keys.enable)] == ["disabled", "active"]
    run(keys.update(new.id, quotas={"credits": {"amount": 10}}))
    with pytest.raises(keywright.Forbidden, match="use a session"):
        run(keys.credit(new.id, 9, reason="invoice 7"))
    told = run(keys.attest(new.id, "robot", {"model": "m"}))
    assert [it.action for it in told] == ["agent.attest"]
    assert run(site.client.verify(rotated.api_key, agent="robot")).agent == "robot"
    assert [it.remaining for it in run(site.client.verify(rotated.api_key, agent="robot")).quotas] == [8]
    assert run(keys.revoke(new.id, reason="leaked")).status == "revoked"
    assert [(it.agent, it.usage_count) for it in run(keys.agents(new.id))] == [("robot", 2)]
    listed = run(site.client.audit.list(key_id=new.id, limit=3))
    assert listed.data == site.engine.audit.list(key_id=new.id, limit=3).data and listed.has_more


def test_pages_turn_by_themselves(site: Site) -> None:
    made = [site.settled(site.client.keys.create(name=f"Key {number}")).id for number in range(7)]
    page = site.settled(site.client.keys.list(limit=3))
    assert isinstance(page, AsyncPage if site.kind is AsyncClient else Page)
    assert len(page.data) == 3 and page.has_more and page.next_cursor and len(page.to_dict()["data"]) == 3
    assert [it.id for it in site.all(page)][:7] == made[::-1]
    assert [it.id for it in site.all(site.client.keys.list(limit=2, name="Key 3"))] == [made[3]]
    again = site.settled(site.client.keys.list(limit=3, cursor=page.next_cursor))
    assert [it.id for it in again.data] == made[3::-1][:3]


def test_errors_are_those_of_the_engine(site: Site) -> None:
    keys, run = site.client.keys, site.settled
    for call, kind, field in [
        (lambda: keys.get("0197a1b2-0000-7000-8000-000000000001"), keywright.NotFound, None),
        (lambda: keys.create(name=""), keywright.ValidationFailed, "name"),
        (lambda: keys.create(nmae="CI"), keywright.InvalidRequest, "nmae"),
        (lambda: keys.create(name="CI", metadata={"x": float("nan")}), keywright.ValidationFailed, None),
        (lambda: keys.create(name="CI", expires_at=datetime(2030, 1, 1)), keywright.ValidationFailed, "expires_at"),
        (lambda: keys.get(True), keywright.InvalidRequest, "id"),
        (lambda: keys.get("../orgs"), keywright.NotFound, None),
        (lambda: site.client.verify("x", scopes=""), keywright.KeywrightError, "scopes"),
        (lambda: site.client.verify(7), keywright.InvalidRequest, "text"),
        (site.client.orgs.list, keywright.Denied, None),
    ]:
        with pytest.raises(keywright.KeywrightError) as caught:
            run(call())
        assert isinstance(caught.value, kind) and field in (None, caught.value.field), caught.value
    id = run(keys.create(name="CI")).id
    run(keys.revoke(id))
    with pytest.raises(keywright.Conflict):
        run(keys.rotate(id))
    stranger = site.open(api_key="acme_live_nonsense")
    with pytest.raises(keywright.Denied) as denied:
        run(stranger.keys.list())
    assert (denied.value.code, denied.value.status, denied.value.decision.allowed) == ("invalid", 401, False)


def test_keys_are_verified(site: Site) -> None:
    run, client = site.settled, site.client
    key = site.engine.org("acme").keys.create(name="CI", scopes="deals:read", networks=["192.0.2.0/24"])
    decision = run(client.verify(key.api_key, scopes="deals:read", ip="192.0.2.7"))
    assert decision and decision.key.org == "acme" and decision.status == 200
    assert run(client.authenticate(key.api_key.encode(), ip="192.0.2.7")).id == key.id
    for text, needs, code in [
        (key.api_key, {"scopes": ["deals:write"], "ip": "192.0.2.7"}, "insufficient_scope"),
        (key.api_key, {}, "ip_not_allowed"),
        (None, {}, "missing"),
        ("", {}, "invalid"),
        ("\udc80", {}, "invalid"),
        (b"\xff\xfe", {}, "invalid"),
    ]:
        denied = run(client.verify(text, **needs))
        assert (bool(denied), denied.code) == (False, code)
        with pytest.raises(keywright.Denied) as caught:
            run(client.authenticate(text, **needs))
        assert caught.value.code == code
    assert run(client.org("acme").verify(key.api_key, ip="192.0.2.7"))
    assert run(client.org("other").verify(key.api_key, ip="192.0.2.7")).code == "invalid"
    # The client's own key is no verdict about the other one.
    plain = site.open(api_key=site.engine.keys.create(name="plain").api_key)
    for refused in (plain, site.open(api_key="acme_live_nonsense")):
        with pytest.raises(keywright.Forbidden, match="the server refuses the client itself"):
            run(refused.authenticate(key.api_key))


def test_a_server_that_is_gone_is_no_verdict(site: Site) -> None:
    hasty = site.open(retries=0)
    site.served.stop()
    assert site.settled(hasty.verify("acme_live_x")).code == "unavailable"
    with pytest.raises(keywright.Unavailable, match="cannot be reached") as caught:
        site.settled(hasty.keys.list())
    assert caught.value.__cause__ is None and site.manager not in str(caught.value)


def test_decisions_are_repeated_within_the_bound(site: Site) -> None:
    run = site.settled
    key = site.engine.keys.create(name="CI", scopes="deals:read")
    limited = site.engine.keys.create(name="limited", limits={"own": 100})
    known, fresh = site.open(max_staleness="1h"), site.open(max_staleness=timedelta(microseconds=1))
    for client in (known, fresh):
        assert run(client.verify(key.api_key, scopes="deals:read")) and run(client.verify(limited.api_key))
    site.engine.keys.revoke(key.id)
    site.engine.keys.revoke(limited.id)
    assert run(known.verify(key.api_key, scopes="deals:read"))
    assert run(fresh.verify(key.api_key, scopes="deals:read")).code == "revoked"
    # Other needs, a cost and limits are questions of their own.
    assert run(known.verify(key.api_key)).code == "revoked"
    assert run(known.verify(key.api_key, scopes="deals:read", cost=1)).code == "revoked"
    assert run(known.verify(limited.api_key)).code == "revoked"
    other = site.engine.keys.create(name="other")
    assert run(known.verify(other.api_key))
    site.settled(known.keys.revoke(other.id))
    assert run(known.verify(other.api_key)).code == "revoked"
    assert run(known.verify(key.api_key, scopes="deals:read")).code == "revoked", "a change by the client forgets all decisions"
    fresh_key = site.engine.keys.create(name="fresh")
    assert run(known.verify(fresh_key.api_key))
    site.served.stop()
    assert run(known.verify(fresh_key.api_key))


def test_a_key_that_expires_is_not_remembered_as_allowed(site: Site) -> None:
    new = site.engine.keys.create(name="CI")
    headers = {"authorization": f"Bearer {site.manager}"}
    allowed = httpx.post(f"{site.served.place}/verify", headers=headers, json={"api_key": new.api_key}, timeout=PATIENCE).json()
    allowed["key"]["expires_at"] = "2026-01-01T00:00:00.000Z"
    script = Script((200, {}, allowed), (200, {}, {**allowed, "allowed": False, "code": "expired", "key": None}))
    known = site.open(script.url, max_staleness="1h")
    assert site.settled(known.verify(new.api_key))
    assert site.settled(known.verify(new.api_key)).code == "expired"


@pytest.mark.parametrize(("grace", "sent"), [(0, "0s"), (1, "1s"), (500, "1s"), (1_000, "1s"), (1_001, "2s"), (86_400_000, "86400s")])
def test_a_short_grace_is_not_none(grace: int, sent: str) -> None:
    assert plain("grace", timedelta(milliseconds=grace)) == sent


def test_a_unix_socket_needs_no_key(tmp_path: Path) -> None:
    served = Served(tmp_path)
    text = served.create()
    served.start("--listen", "unix:kw.sock")
    try:
        with Client(f"unix:{tmp_path / 'kw.sock'}", timeout="5m") as client:
            assert client.verify(text)
    finally:
        served.end()


def test_the_seed_runs_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    LendIQ = keywright.Client  # noqa: N806 - the name of the product's SDK
    served = Served(tmp_path, engine='id_style = "integer"')
    manager = served.create("--scopes", ALL)
    served.start()
    monkeypatch.setenv("KEYWRIGHT_SERVER_URL", served.place)
    try:
        client = LendIQ(api_key=manager)
        exec(CREATE, {"client": client})
        api_key, id, expires_at = capsys.readouterr().out.splitlines()
        key = client.authenticate(api_key, scopes=["deals:read", "documents:write"])
        assert (api_key[:10], str(key.id), str(key.expires_at)) == ("acme_live_", id, expires_at)
        exec(LIST, {"client": client})
        assert capsys.readouterr().out.splitlines()[0].startswith(f"{id} Production Integration {key.prefix} ")
        exec(f"client.keys.revoke({id})", {"client": client})
        assert client.keys.get(int(id)).status == client.keys.get(id).status == "revoked"
        client.close()
    finally:
        served.end()


Answer = tuple[int, dict[str, str], Any]


class Script:
    """A server that answers each request in turn as it is told, or breaks off the connection for ``None``."""

    def __init__(self, *answers: Answer | None) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.heads: list[list[str]] = []
        self._answers = answers
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            connection, _ = self._socket.accept()
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(PATIENCE)
                head = [line.decode().strip() for line in iter(lines.readline, b"\r\n")]
                length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
                lines.read(length)
                self.heads.append(head)
                if answer is not None:
                    status, headers, value = answer
                    body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
                    given = "".join(f"{name}: {text}\r\n" for name, text in headers.items())
                    connection.sendall(
                        f"HTTP/1.1 {status} Told\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{given}\r\n".encode() + body
                    )
        self._socket.close()

    def named(self, name: str) -> list[str]:
        """The values of a header in all requests."""
        self._thread.join(PATIENCE)
        return [line.partition(":")[2].strip() for head in self.heads for line in head if line.lower().startswith(f"{name}:")]


EMPTY: Answer = (200, {}, {"data": [], "has_more": False, "next_cursor": None})
BUSY: Answer = (503, {"retry-after": "0"}, {"code": "UNAVAILABLE", "message": "later"})
LIMITED: Answer = (429, {"retry-after": "0"}, {"code": "RATE_LIMITED", "message": "later"})
USED_UP: Answer = (429, {}, {"code": "RATE_LIMITED", "message": "never"})
LONG: Answer = (429, {"retry-after": "3600"}, {"code": "RATE_LIMITED", "message": "in an hour"})
PAST: Answer = (429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, {"code": "RATE_LIMITED", "message": "now"})
FAR: Answer = (503, {"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}, {"code": "UNAVAILABLE", "message": "in years"})
PROXY: Answer = (502, {}, "<html>Bad Gateway</html>")
# Of a proxy, which may have sent the request to a server that ended.
OUTAGE: Answer = (503, {}, "upstream connect error or disconnect/reset before headers")
RUNS: Answer = (409, {"retry-after": "0"}, {"code": "IN_PROGRESS", "message": "still running"})
REPLAYED: Answer = (201, {}, {"id": "7", "name": "CI", "api_key": None})


def reach(kind: type[Any], script: Script, act: Callable[[Any], Any], **options: Any) -> Any:
    """Runs a call with a client of its own, and returns its result or its error."""

    async def awaited(client: Any) -> Any:
        try:
            return await act(client)
        finally:
            await client.close()

    client = kind(script.url, api_key="acme_live_x", **{"timeout": "5m", **options})
    try:
        if kind is AsyncClient:
            return asyncio.run(awaited(client))
        with client:
            return act(client)
    except keywright.KeywrightError as error:
        return error


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("answers", "act", "found"),
    [
        ((BUSY, LIMITED, EMPTY), lambda it: it.keys.list(), None),
        ((None, None, EMPTY), lambda it: it.keys.list(), None),
        ((PROXY, RUNS, REPLAYED), lambda it: it.keys.create(name="CI"), keywright.Conflict),
        ((None, REPLAYED), lambda it: it.keys.create(name="CI"), keywright.Conflict),
        ((None,), lambda it: it.keys.update("7", name="CI"), keywright.Unavailable),
        ((PROXY,), lambda it: it.keys.update("7", name="CI"), keywright.Unavailable),
        ((OUTAGE,), lambda it: it.keys.update("7", name="CI"), keywright.Unavailable),
        ((OUTAGE, PAST, EMPTY), lambda it: it.keys.list(), None),
        ((FAR,), lambda it: it.keys.list(), keywright.Unavailable),
        ((LONG,), lambda it: it.keys.list(), keywright.Denied),
        ((USED_UP,), lambda it: it.keys.list(), keywright.Denied),
        ((BUSY, BUSY, BUSY), lambda it: it.keys.list(), keywright.Unavailable),
        (((302, {"location": "http://elsewhere/"}, ""),), lambda it: it.keys.list(), keywright.Unavailable),
        (((200, {}, "[]"),), lambda it: it.keys.list(), keywright.Unavailable),
        (((200, {}, {"id": "7"}),), lambda it: it.keys.get("7"), keywright.Unavailable),
        (((418, {}, {"code": "TEAPOT", "message": "new"}),), lambda it: it.keys.list(), keywright.KeywrightError),
    ],
)
def test_requests_are_sent_again_where_that_is_safe(kind: type[Any], answers: Any, act: Any, found: Any) -> None:
    script = Script(*answers)
    got = reach(kind, script, act)
    assert isinstance(got, found) if found else got.data == [], got
    # It was sent as often as the server was told to answer.
    assert len(script.named("host")) == len(answers)
    assert len(set(script.named("idempotency-key"))) <= 1


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_keys_of_idempotency_are_for_what_needs_them(kind: type[Any]) -> None:
    for act, keys, requests in [
        (lambda it: it.keys.attest("7", "a", {}), 0, 1),
        (lambda it: it.keys.disable("7"), 0, 3),
        (lambda it: it.keys.end_grace("7"), 0, 3),
        (lambda it: it.keys.enable("7"), 3, 3),
        (lambda it: it.keys.credit("7", 1), 3, 3),
    ]:
        lost = Script(*[None] * requests)
        assert isinstance(reach(kind, lost, act), keywright.Unavailable)
        assert (len(lost.named("host")), len(lost.named("idempotency-key"))) == (requests, keys)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_no_redirect_takes_the_key_elsewhere(kind: type[Any], status: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        away: Answer = (status, {"location": f"http://127.0.0.1:{elsewhere.getsockname()[1]}/keys"}, "")
        for act in (lambda it: it.keys.list(), lambda it: it.keys.create(name="CI"), lambda it: it.authenticate("acme_live_secret")):
            # Also if the host has told httpx to follow.
            http = (httpx.AsyncClient if kind is AsyncClient else httpx.Client)(follow_redirects=True)
            script = Script(away)
            found = reach(kind, script, act, http=http, timeout="30s", retries=0)
            assert isinstance(found, keywright.Unavailable | keywright.Denied) and f"answered {status}" in str(found)
            assert script.named("authorization") == ["Bearer acme_live_x"]
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_answer_without_an_end_is_given_up(kind: type[Any]) -> None:
    """Each part comes in time, and the whole never does."""

    def drip(listener: socket.socket, begin: bytes) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + begin)
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    for begin in (b"content-length: 1000000\r\n\r\n", b"x-slow: "):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            server = threading.Thread(target=drip, args=(listener, begin), daemon=True)
            server.start()
            script = SimpleNamespace(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
            found = reach(kind, cast(Script, script), lambda it: it.keys.list(), timeout="1s", retries=0)
            assert isinstance(found, keywright.Unavailable) and "did not answer in time" in str(found)
            server.join(PATIENCE)
            assert not server.is_alive()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_verification_counts_once(kind: type[Any]) -> None:
    for unknown in (None, PROXY, OUTAGE):
        lost = Script(unknown)
        assert reach(kind, lost, lambda it: it.verify("acme_live_secret")).code == "unavailable"
        assert len(lost.named("host")) == 1
    refused = Script(BUSY, LIMITED, BUSY)
    assert reach(kind, refused, lambda it: it.verify("acme_live_secret")).code == "unavailable"
    assert len(refused.named("host")) == 3


def test_nothing_shows_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret, own = "acme_live_Zaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "acme_live_x"
    script = Script(None, PROXY)
    found = [reach(Client, script, lambda it: it.verify(secret), retries=0), reach(Client, script, lambda it: it.keys.create(name="CI"))]
    client = Client(script.url, api_key=secret)
    shown = repr(client) + repr(found) + str(found[1]) + caplog.text + repr(vars(client)["_server"])
    assert secret not in shown and own not in shown
    with pytest.raises(TypeError):
        pickle.dumps(client)
    client.close()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"url": "https://user:hush@host"}, "url"),
        ({"url": 7}, "url"),
        ({"url": "unix:relative"}, "url"),
        ({"api_key": None}, "api_key"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": "a\nb"}, "api_key"),
        ({"timeout": 5}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"timeout": "0s"}, "timeout"),
        ({"retries": 11}, "retries"),
        ({"retries": True}, "retries"),
        ({"max_staleness": "-1s"}, "max_staleness"),
        ({"max_staleness": "2h"}, "max_staleness"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_wrong_options_are_refused(kind: type[Any], options: dict[str, Any], field: str) -> None:
    with pytest.raises(keywright.KeywrightError) as caught:
        kind(**options)
    assert caught.value.field == field and "hush" not in str(caught.value)


def test_a_closed_client_refuses_calls_and_leaves_a_given_one_open() -> None:
    script = Script(EMPTY)
    with httpx.Client(timeout=PATIENCE) as http:
        client = Client(script.url, api_key="acme_live_x", http=http)
        assert client.keys.list().data == []
        client.close()
        with pytest.raises(keywright.Closed):
            client.keys.list()
        assert not http.is_closed
