"""After ``os.fork`` parent and child both go on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from forks import ended, forked, keys_of_children
from keywright import AsyncKeywright, Keywright
from waiting import PATIENCE

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
PEPPER = "pepper for tests, thirty-two bytes or more"


def test_parent_and_child_go_on(kw: Keywright) -> None:
    before = kw.keys.create(name="before")

    def child() -> None:
        assert kw.verify(before.api_key)
        new = kw.keys.create(name="child")
        assert kw.verify(new.api_key)
        kw.keys.revoke(before.id)
        assert kw.verify(before.api_key).code == "revoked"

    pid = forked(child)
    parents = kw.keys.create(name="parent")
    assert kw.verify(parents.api_key)
    assert ended(pid) == 0
    assert kw.verify(before.api_key).code == "revoked"
    assert {it.name for it in kw.keys.list()} == {"parent", "child"}
    assert kw.audit.verify().ok


def test_children_of_children(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")

    def grandchild() -> None:
        assert kw.verify(new.api_key)
        kw.keys.create(name="grandchild")

    def child() -> None:
        assert ended(forked(grandchild)) == 0
        assert kw.verify(new.api_key)
        kw.keys.create(name="child")

    assert ended(forked(child)) == 0
    assert {it.name for it in kw.keys.list()} == {"CI", "child", "grandchild"}


def test_handles_and_pages_of_before_the_fork(kw: Keywright) -> None:
    for number in range(3):
        kw.keys.create(name=f"{number}")
    keys, page, walk = kw.keys, kw.keys.list(limit=1), iter(kw.keys.list(limit=1))
    next(walk)

    def child() -> None:
        assert len(list(page)) == 3
        assert len(list(walk)) == 2
        assert len(list(keys.list())) == 3

    assert ended(forked(child)) == 0
    assert len(list(walk)) == 2


def test_a_child_spends_nothing_of_what_its_parent_has_bought(tmp_path: Path) -> None:
    def opened() -> Keywright:
        return Keywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER, quotas={"balance": {"amount": 10_000}})

    with opened() as kw:
        new = kw.keys.create(name="CI")

        def ask() -> None:
            for _ in range(50):
                assert kw.verify(new.api_key)

        def child() -> None:
            ask()
            kw.close()

        ask()
        pid = forked(child)
        ask()
        assert ended(pid) == 0
    with opened() as kw:
        assert kw.verify(new.api_key).quotas[0].used == 151


def test_a_child_that_closes_or_ends_harms_nobody(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    for work in (kw.close, lambda: None, lambda: sys.exit(0)):
        ended(forked(work))
        assert kw.verify(new.api_key)
        kw.keys.create(name="still here")
    assert kw.audit.verify().ok


def test_forks_while_threads_work(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    stop, troubles = threading.Event(), []

    def verify() -> None:
        while not stop.is_set():
            if not kw.verify(new.api_key):
                troubles.append("denied")

    def write() -> None:
        while not stop.is_set():
            try:
                kw.keys.update(new.id, name="CI")
            except Exception as error:
                troubles.append(repr(error))

    def child() -> None:
        for _ in range(5):
            assert kw.verify(new.api_key)
        kw.keys.create(name="child")

    threads = [threading.Thread(target=it) for it in (verify, verify, write)]
    for thread in threads:
        thread.start()
    try:
        pids = []
        for _ in range(10):
            pids.append(forked(child))
            time.sleep(0.01)
        assert [ended(it) for it in pids] == [0] * 10
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert troubles == []
    assert len([it for it in kw.keys.list() if it.name == "child"]) == 10
    assert kw.audit.verify().ok


def test_keys_of_many_children_differ(kw: Keywright) -> None:
    texts = keys_of_children(kw, children=8, keys_each=10)
    assert len(set(texts)) == 80
    assert all(kw.verify(it) for it in texts)


def test_argon2id_in_a_child(tmp_path: Path) -> None:
    with Keywright(f"sqlite:{tmp_path / 'keys.db'}", brand="liq") as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key)
        pid = forked(lambda: kw.verify(new.api_key).allowed or os._exit(2))
        assert kw.verify(new.api_key)
        assert ended(pid) == 0


def test_asyncio_in_parent_and_child(async_kw: AsyncKeywright) -> None:
    async def main() -> str:
        new = await async_kw.keys.create(name="CI")
        assert await async_kw.verify(new.api_key)
        return new.api_key

    async def child(text: str) -> None:
        assert await async_kw.verify(text)
        await asyncio.gather(*(async_kw.keys.create(name="child") for _ in range(8)))

    text = asyncio.run(main())
    pid = forked(lambda: asyncio.run(child(text)))
    asyncio.run(main())
    assert ended(pid) == 0
    assert len(asyncio.run(collect(async_kw))) == 10


async def collect(kw: AsyncKeywright) -> list[str]:
    return [it.name async for it in kw.keys.list(limit=3)]


def test_subprocesses_start_as_ever(kw: Keywright) -> None:
    kw.keys.create(name="CI")
    done = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True, preexec_fn=lambda: None)
    assert done.stdout == "1\n"
    kw.keys.create(name="CI")


def test_a_preloaded_engine_serves_forked_workers(tmp_path: Path) -> None:
    """As gunicorn with ``--preload`` does: opened once, never used before the fork."""
    with Keywright(f"sqlite:{tmp_path / 'keys.db'}", brand="liq", pepper=PEPPER) as kw:
        pids = [forked(lambda: kw.verify(kw.keys.create(name="worker").api_key).allowed or os._exit(2)) for _ in range(4)]
        assert [ended(it) for it in pids] == [0] * 4
        assert len(kw.keys.list().data) == 4
