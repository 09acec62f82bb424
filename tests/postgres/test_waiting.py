"""A call that waits for PostgreSQL holds up nothing else: no event loop, no interpreter, no worker of a runtime."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from database import PEPPER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from database import Database

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]


def tokio_program() -> list[str]:
    """Builds the program in Rust."""
    command = ["cargo", "build", "--quiet", "--package", "keywright-tests", "--example", "waiting"]
    told = subprocess.run([*command, "--message-format", "json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    built = [json.loads(line) for line in told.stdout.splitlines()]
    return [next(it["executable"] for it in built if it.get("target", {}).get("name") == "waiting")]


COMMANDS = {
    "asyncio": lambda: [sys.executable, str(PROGRAMS / "loop.py")],
    "node": lambda: ["node", str(PROGRAMS / "loop.mjs")],
    "worker thread": lambda: ["node", str(PROGRAMS / "loop.mjs")],
    "tokio": tokio_program,
}


class Program:
    """A running program, whose loop answers a ping."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    def send(self, line: str) -> None:
        assert self._running.stdin is not None
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()

    def hear(self) -> str:
        assert self._running.stdout is not None
        return self._running.stdout.readline().strip()

    def is_alive(self) -> bool:
        self.send("ping")
        return self.hear() == "pong"

    def end(self) -> int:
        assert self._running.stdin is not None
        self._running.stdin.close()
        return self._running.wait()


@contextmanager
def started(kind: str, url: str) -> Iterator[Program]:
    more = ["worker"] if kind == "worker thread" else []
    command = [*COMMANDS[kind](), url, PEPPER, *more]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT / "tests", env=os.environ) as running:
        program = Program(running)
        try:
            assert program.hear() == "ready"
            yield program
        finally:
            running.kill()


class Held:
    """A proxy that holds what the server answers."""

    def __init__(self, database: Database) -> None:
        self.servers = database.servers
        proxy = self.servers("proxy", to=database.server)
        self.name, self.port = proxy["name"], proxy["port"]

    def hold(self) -> int:
        """Holds all answers from now on, and returns how often the server was asked until now."""
        self.servers("traffic", self.name, mode="hold", direction="to_client")
        return self.asked()

    def release(self) -> None:
        self.servers("traffic", self.name)

    def asked(self) -> int:
        """The number of requests and of connections: a connection that was lost is opened anew."""
        state = self.servers("state", self.name)
        return int(state["requests"]) + int(state["accepted"])


@pytest.fixture
def texts(database: Database) -> list[str]:
    with database.open() as kw:
        return [kw.keys.create(name="CI").api_key for _ in range(3)]


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_loop_goes_on_while_a_call_waits(database: Database, texts: list[str], until: Any, kind: str) -> None:
    held = Held(database)
    with started(kind, database.url(port=held.port, sslmode="disable")) as program:
        program.send(f"verify {texts[0]}")
        assert program.hear() == "verified allowed"
        program.send("create first")
        assert program.hear() == "created first"
        for line, said in ((f"verify {texts[1]}", "verified allowed"), ("create second", "created second")):
            before = held.hold()
            program.send(line)
            until(lambda before=before: held.asked() > before)
            # The answer cannot have come, and the loop serves others.
            assert all(program.is_alive() for _ in range(3))
            held.release()
            assert program.hear() == said
        assert program.end() == 0


@pytest.mark.parametrize("kind", ["asyncio", "tokio"])
def test_cancelled_callers_leak_nothing(database: Database, until: Any, kind: str) -> None:
    held = Held(database)
    with database.open() as kw:
        rounds = [[kw.keys.create(name=f"{round_} {number}").api_key for number in range(3)] for round_ in range(5)]
    opened = f"select count(*) from pg_stat_activity where application_name = 'leaks_{kind}'"
    with started(kind, database.url(port=held.port, application_name=f"leaks_{kind}", sslmode="disable")) as program:
        for round_, texts in enumerate(rounds):
            # Changes of the round before may still be on their way, so only a key that is not in memory is sure to be asked for.
            before = held.hold()
            for number in range(40):
                program.send(f"verify {texts[number % 3]}" if number % 2 else f"create cancelled-{round_}-{number}")
            until(lambda before=before: held.asked() > before)
            program.send("cancel")
            assert program.hear() == "cancelled"
            held.release()
            program.send(f"verify {texts[0]}")
            assert program.hear() == "verified allowed"
        program.send("create last")
        assert program.hear() == "created last"
        # Four for reads, two for changes, one that listens. Those that were retired end in a moment.
        until(lambda: 0 < int(database.sql(opened)) <= 7)
        assert program.end() == 0
    with database.open() as kw:
        names = [it.name for it in kw.keys.list(limit=1_000)]
        assert names.count("last") == 1
        assert len(set(names)) == len(names), "a cancelled change was made twice"
        assert kw.audit.verify().ok


def test_python_lets_other_threads_run_while_it_waits(database: Database, texts: list[str], until: Any) -> None:
    held = Held(database)
    with database.open(database.url(port=held.port, sslmode="disable")) as kw:
        assert kw.verify(texts[0])
        new = kw.keys.create(name="CI")
        calls = [lambda: kw.verify(texts[1]), kw.keys.list, lambda: kw.keys.create(name="CI"), lambda: kw.keys.revoke(new.id)]
        for call in calls:
            before = held.hold()
            waiting = threading.Thread(target=call)
            waiting.start()
            # This thread runs Python meanwhile, or it would never see the request.
            until(lambda before=before: held.asked() > before)
            assert waiting.is_alive()
            held.release()
            waiting.join()
