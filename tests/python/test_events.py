"""Events for listeners in Python."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keywright import AsyncKeywright, Event, InvalidRequest, Keywright, Unavailable
from keywright.testing import ManualClock
from waiting import PATIENCE, until

PEPPER = "a pepper for tests, thirty-two bytes"


def opened(folder: Path, **options: Any) -> Keywright:
    return Keywright(f"sqlite:{folder}/keys.db", brand="liq", pepper=PEPPER, **options)


def test_a_database_that_fails_is_reported_once_and_its_recovery_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="keywright")
    heard: list[Event] = []
    kw = opened(tmp_path, on_event=heard.append, busy_timeout=0)
    new = kw.keys.create(name="CI")
    lock = "import sqlite3, sys; it = sqlite3.connect(sys.argv[1], isolation_level=None); it.execute('BEGIN IMMEDIATE'); print(); input()"
    command = [sys.executable, "-c", lock, str(tmp_path / "keys.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        other.stdout.readline()
        for _ in range(3):
            with pytest.raises(Unavailable):
                kw.keys.revoke(new.id)
            assert kw.verify(new.api_key)
        other.communicate("\n")
    kw.keys.create(name="another")
    kw.close()
    failed, recovered = (it for it in heard if it.kind.startswith("store"))
    assert (failed.kind, recovered.kind) == ("store_failed", "store_recovered")
    assert failed.reason == "the database is locked by another program; try again; end the program that holds a transaction open"
    assert (failed.org, failed.key_id, recovered.reason) == (None, None, None)
    place = tmp_path / "keys.db"
    assert [(it.levelname, it.getMessage()) for it in caplog.records if it.name == "keywright"] == [
        ("ERROR", f"The database {place} cannot be used: {failed.reason}"),
        ("WARNING", f"The database {place} can be used again"),
    ]


def test_a_listener_of_trouble_may_use_and_close_the_engine(tmp_path: Path) -> None:
    heard: list[str] = []
    over = threading.Event()

    def listener(event: Event) -> None:
        if event.kind == "store_failed":
            heard.append(kw.verify("liq_live_x").code or "")
            kw.close()
            over.set()

    kw = opened(tmp_path, on_event=listener)
    (tmp_path / "keys.db").unlink()
    with pytest.raises(Unavailable, match="deleted"):
        kw.keys.create(name="CI")
    assert over.wait(PATIENCE)
    assert heard == ["invalid"]


def test_a_life_is_told_in_its_order(tmp_path: Path) -> None:
    heard: list[Event] = []
    threads: set[int] = set()

    def listener(event: Event) -> None:
        heard.append(event)
        threads.add(threading.get_ident())

    clock = ManualClock()
    kw = opened(tmp_path, on_event=listener, expiring_days=30, idle_days=0, clock=clock)
    new = kw.keys.create(name="CI", expires_in_days=90, created_by="alice")
    newer = kw.keys.rotate(new.id, actor="bob")
    assert kw.verify(new.api_key).deprecated
    kw.flush()
    kw.keys.revoke(new.id, actor="carol")
    assert kw.verify(newer.api_key).code == "revoked"
    kw.flush()
    kw.close()
    assert [it.kind for it in heard] == ["created", "rotated", "former_secret_used", "revoked", "refused_after_revocation"]
    assert [it.actor for it in heard] == ["alice", "bob", None, "carol", None]
    assert {it.key_id for it in heard} == {new.id}
    assert (heard[2].prefix, heard[2].count) == (new.prefix, 1)
    assert (heard[4].prefix, heard[4].code) == (newer.prefix, "revoked")
    assert threads != {threading.get_ident()}
    assert all(secret not in repr(heard) for secret in (new.api_key, newer.api_key))
    assert heard[0] == heard[0] and heard[0].to_dict()["at"].endswith("Z")


def test_a_credit_is_told_with_its_amount(tmp_path: Path) -> None:
    heard: list[Event] = []
    with opened(tmp_path, on_event=heard.append, quotas={"credits": {"amount": 0}}) as kw:
        new = kw.keys.create(name="CI")
        kw.keys.credit(new.id, 500, actor="billing", reason="invoice 7")
    told = heard[1]
    assert (told.kind, told.key_id, told.actor, told.count, told.reason) == ("credited", new.id, "billing", 500, None)


def test_keys_that_expire_are_told_of_once_a_day(tmp_path: Path) -> None:
    heard: list[tuple[str, str | None]] = []
    clock = ManualClock()
    kw = opened(tmp_path, on_event=lambda it: heard.append((it.kind, it.name)), expiring_days=7, idle_days=3, clock=clock)
    kw.keys.create(name="short", expires_in_days=5)
    kw.keys.create(name="long", expires_in_days=50)
    clock.advance(timedelta(days=4))
    kw.flush()
    idle = [("idle", "long"), ("idle", "short")]
    until("both are idle", lambda: sorted(it for it in heard if it[0] == "idle") == idle)
    kw.flush()
    kw.close()
    assert sorted(it for it in heard if it[0] == "idle") == idle
    assert ("expiring", "short") in heard
    assert ("expiring", "long") not in heard


def test_what_a_listener_raises_concerns_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: raised.append(it.exc_value))

    def listener(_event: Event) -> None:
        raise ValueError("a listener of the test")

    kw = opened(tmp_path, on_event=listener)
    new = kw.keys.create(name="CI")
    assert kw.keys.revoke(new.id).status == "revoked"
    kw.close()
    assert [str(it) for it in raised] == ["a listener of the test"] * 2


@pytest.mark.parametrize("bad", [7, "print", [], {}])
def test_what_is_no_listener_is_refused(tmp_path: Path, bad: Any) -> None:
    async def listener(_event: Event) -> None: ...

    for each in (bad, listener):
        for make in (Keywright, AsyncKeywright):
            with pytest.raises(InvalidRequest) as refused:
                make(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER, on_event=each)
            assert refused.value.field == "on_event"
    assert not list(tmp_path.iterdir())


def test_asyncio_hears_on_its_own_thread(tmp_path: Path) -> None:
    async def main() -> list[tuple[str, int]]:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[Event]()
        listener = lambda it: loop.call_soon_threadsafe(queue.put_nowait, it)  # noqa: E731
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER, on_event=listener) as kw:
            new = await kw.keys.create(name="CI")
            await kw.keys.revoke(new.id)
            return [((await queue.get()).kind, threading.get_ident()) for _ in range(2)]

    assert asyncio.run(main()) == [(kind, threading.get_ident()) for kind in ("created", "revoked")]


def test_a_child_tells_what_it_did_and_the_parent_what_it_did(tmp_path: Path) -> None:
    read, write = os.pipe()
    heard: list[tuple[int, str | None]] = []

    def listener(event: Event) -> None:
        heard.append((os.getpid(), event.name))
        if os.getpid() != parent:
            os.write(write, f"{event.name}\n".encode())

    parent = os.getpid()
    kw = opened(tmp_path, on_event=listener)
    kw.keys.create(name="before")
    child = os.fork()
    if child == 0:
        kw.keys.create(name="in the child")
        kw.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(write)
    kw.keys.create(name="after")
    kw.close()
    assert heard == [(parent, "before"), (parent, "after")]
    with os.fdopen(read) as told:
        assert told.read() == "in the child\n"


def test_what_is_left_is_told_when_python_ends(tmp_path: Path) -> None:
    program = f"""
from keywright import Keywright
kw = Keywright("sqlite:{tmp_path}/keys.db", brand="liq", pepper="{PEPPER}", on_event=lambda it: print(it.kind))
kw.keys.create(name="CI")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("created\n", "")


def test_an_engine_that_is_forgotten_ends_its_thread(tmp_path: Path) -> None:
    threads: list[int] = []
    kw = opened(tmp_path, on_event=lambda _: threads.append(threading.get_native_id()))
    kw.keys.create(name="CI")
    until("an event is told", lambda: threads)
    del kw
    gc.collect()
    until("the thread ends", lambda: not Path(f"/proc/self/task/{threads[0]}").exists())
