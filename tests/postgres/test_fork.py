"""Processes that fork while an engine on PostgreSQL is open: gunicorn and others load the application first."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from client import PATIENCE
from database import PEPPER
from forks import ended, forked, keys_of_children
from keywright import AsyncKeywright

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from database import Database

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
# A change in another process is seen by the next verification.
ASKS = {"max_staleness": 0, "busy_timeout": "5m"}


def test_parent_and_child_go_on(database: Database) -> None:
    with database.open(**ASKS) as kw:
        before = kw.keys.create(name="before")
        assert kw.verify(before.api_key)

        def grandchild() -> None:
            assert kw.verify(before.api_key)
            kw.keys.create(name="grandchild")

        def child() -> None:
            assert kw.verify(before.api_key)
            new = kw.keys.create(name="child")
            assert kw.verify(new.api_key)
            assert ended(forked(grandchild)) == 0
            kw.keys.revoke(before.id)
            assert kw.verify(before.api_key).code == "revoked"

        pid = forked(child)
        parents = kw.keys.create(name="parent")
        assert kw.verify(parents.api_key)
        assert ended(pid) == 0
        assert kw.verify(before.api_key).code == "revoked"
        assert {it.name for it in kw.keys.list()} == {"parent", "child", "grandchild"}
        assert kw.audit.verify().ok


def test_a_child_that_closes_or_ends_harms_nobody(database: Database) -> None:
    with database.open(**ASKS) as kw:
        new = kw.keys.create(name="CI")
        for work in (kw.close, lambda: None, lambda: sys.exit(0), lambda: kw.verify(new.api_key)):
            ended(forked(work))
            assert kw.verify(new.api_key)
            kw.keys.create(name="still here")
        assert kw.audit.verify().ok


def test_counts_of_parent_and_child_add_up(database: Database) -> None:
    with database.open(**ASKS) as kw:
        new = kw.keys.create(name="CI")

        def child() -> None:
            for _ in range(5):
                assert kw.verify(new.api_key)
            kw.close()

        for _ in range(3):
            assert kw.verify(new.api_key)
        pids = [forked(child) for _ in range(3)]
        assert [ended(it) for it in pids] == [0] * 3
        kw.flush()
        assert kw.keys.get(new.id).usage_count == 18


def test_forks_while_threads_work(database: Database) -> None:
    with database.open(**ASKS) as kw:
        new = kw.keys.create(name="CI")
        stop, troubles = threading.Event(), []

        def work(act: Callable[[], Any]) -> None:
            while not stop.is_set():
                try:
                    if not act():
                        troubles.append("denied")
                except Exception as error:
                    troubles.append(repr(error))

        def child() -> None:
            for _ in range(5):
                assert kw.verify(new.api_key)
            kw.keys.create(name="child")

        acts = [lambda: kw.verify(new.api_key), lambda: kw.verify(new.api_key), lambda: kw.keys.update(new.id, name="CI")]
        threads = [threading.Thread(target=work, args=[act]) for act in acts]
        for thread in threads:
            thread.start()
        try:
            pids = [forked(child) for _ in range(8)]
            assert [ended(it) for it in pids] == [0] * 8
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)
        assert troubles == []
        assert [it.name for it in kw.keys.list()].count("child") == 8
        assert kw.audit.verify().ok


def test_workers_of_multiprocessing(database: Database) -> None:
    """The application was loaded before, and its engine was used."""
    with database.open(**ASKS) as kw:
        assert kw.verify(kw.keys.create(name="CI").api_key)
        texts = keys_of_children(kw, children=6, keys_each=5)
        assert len(set(texts)) == 30
        assert all(kw.verify(it) for it in texts)


def test_asyncio_in_parent_and_child(database: Database) -> None:
    kw = AsyncKeywright(database.url(), brand="liq", pepper=PEPPER, **ASKS)

    async def main() -> str:
        new = await kw.keys.create(name="CI")
        assert await kw.verify(new.api_key)
        return new.api_key

    async def child(text: str) -> None:
        assert await kw.verify(text)
        await asyncio.gather(*(kw.keys.create(name="child") for _ in range(8)))

    async def last() -> int:
        found = len([it.name async for it in kw.keys.list(limit=3)])
        await kw.close()
        return found

    text = asyncio.run(main())
    pid = forked(lambda: asyncio.run(child(text)))
    asyncio.run(main())
    assert ended(pid) == 0
    assert asyncio.run(last()) == 10


TASKS = """
import os

from celery import Celery
from celery.signals import worker_ready
from keywright import Keywright

kw = Keywright({url!r}, brand="liq", pepper={pepper!r}, max_staleness=0)
# Used before the fork, so that its connections are open.
text = kw.keys.create(name="of the parent").api_key
assert kw.verify(text)
kw.flush()
app = Celery("tasks_of_this_test", broker="filesystem://")
app.conf.broker_transport_options = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), {folder!r})


@app.task
def create():
    assert kw.verify(text)
    kw.keys.create(name="by " + str(os.getpid()))


@worker_ready.connect
def send(**_):
    for _ in range({tasks}):
        create.delay()
"""
NUMBER_OF_TASKS = 12


def test_celery_forks_its_workers(database: Database, tmp_path: Path, until: Any) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    source = TASKS.format(url=database.url(), pepper=PEPPER, folder=str(folder), tasks=NUMBER_OF_TASKS)
    (tmp_path / "tasks_of_this_test.py").write_text(source, encoding="utf-8")
    alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [sys.executable, "-m", "celery", "-A", "tasks_of_this_test", "worker", "--pool", "prefork", "--concurrency", "2", *alone]
    worker = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with database.open(**ASKS) as kw:

            def made() -> list[str]:
                assert worker.poll() is None, "the worker ended"
                return [it.name for it in kw.keys.list() if it.name.startswith("by ")]

            until(lambda: len(made()) == NUMBER_OF_TASKS)
            assert f"by {worker.pid}" not in made(), "children did the work"
            parent = next(it for it in kw.keys.list() if it.name == "of the parent")
            # Each child writes its counts within a second.
            until(lambda: kw.keys.get(parent.id).usage_count == NUMBER_OF_TASKS + 1)
            assert kw.audit.verify().ok
    finally:
        worker.terminate()
        worker.wait(PATIENCE)


SITE = """
from keywright import Keywright
from keywright.wsgi import KeywrightMiddleware


def hello(environ, start_response):
    start_response("200 OK", [])
    return [str(__import__("os").getpid()).encode()]


kw = Keywright({url!r}, brand="liq", pepper={pepper!r}, max_staleness=0)
# Used before the fork, so that its connections are open.
kw.verify("liq_live_" + "x" * 50)
kw.keys.create(name="of the parent")
app = KeywrightMiddleware(hello, kw)
"""


def test_gunicorn_loads_the_application_before_it_forks(database: Database, tmp_path: Path) -> None:
    (tmp_path / "site_of_this_test.py").write_text(SITE.format(url=database.url(), pepper=PEPPER), encoding="utf-8")
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    port, handle = listening.getsockname()[1], listening.fileno()
    patience = ["--timeout", str(PATIENCE), "--graceful-timeout", str(PATIENCE)]
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", *patience, "-b", f"fd://{handle}", "site_of_this_test:app"]
    server = subprocess.Popen(command, cwd=tmp_path, pass_fds=[handle], stderr=subprocess.DEVNULL)
    listening.close()

    def ask(key: str) -> int:
        asked = Request(f"http://127.0.0.1:{port}/", headers={"Api-Key": key})
        try:
            with urlopen(asked, timeout=PATIENCE) as answer:
                return int(answer.status)
        except HTTPError as refused:
            with refused:
                return refused.code

    try:
        with database.open(**ASKS) as kw:
            new = kw.keys.create(name="CI")
            with ThreadPoolExecutor(8) as threads:
                assert set(threads.map(ask, [new.api_key] * 60)) == {200}
                kw.keys.revoke(new.id)
                assert set(threads.map(ask, [new.api_key] * 60)) == {401}
    finally:
        server.terminate()
        server.wait(PATIENCE)
    with database.open() as kw:
        counted = kw.keys.get(new.id)
        assert (counted.usage_count, counted.denied_count) == (60, 60), "each worker wrote down what it had counted"
