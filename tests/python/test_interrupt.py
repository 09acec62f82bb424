"""Ctrl-C while native code waits. Another program holds the lock until the child has ended, and the wait would last an hour."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keywright import Keywright

PEPPER = "pepper for tests, thirty-two bytes or more"
KEYS = 12

LOCK = "import sqlite3, sys; it = sqlite3.connect(sys.argv[1], isolation_level=None); it.execute('BEGIN IMMEDIATE'); print(); input()"

# A child of a background job inherits that SIGINT is ignored, and Python then raises no KeyboardInterrupt.
HEAD = """
import asyncio, signal, sys, threading
import trio
from keywright import AsyncKeywright, Keywright

signal.signal(signal.SIGINT, signal.default_int_handler)

def opened(kind=Keywright):
    return kind(sys.argv[1], brand="liq", pepper="pepper for tests, thirty-two bytes or more", busy_timeout="1h")

def counted():
    kw = opened()
    assert kw.verify(kw.keys.create(name="x").api_key)
    return kw

def ready():
    print("ready", flush=True)
    input()
    print("waits", flush=True)

async def create():
    kw = opened(AsyncKeywright)
    await kw.open()
    ready()
    await kw.keys.create(name="x")

async def create_in_block():
    async with opened(AsyncKeywright) as kw:
        ready()
        await kw.keys.create(name="x")

async def open_late():
    kw = opened(AsyncKeywright)
    ready()
    await kw.keys.create(name="x")
"""

CALLS = {
    "open": "ready(); opened()",
    "create": "kw = opened(); ready(); kw.keys.create(name='x')",
    "flush": "kw = counted(); ready(); kw.flush()",
    "close": "kw = counted(); ready(); kw.close()",
    "with": """
        with opened() as kw:
            ready()
            kw.keys.create(name="x")
    """,
    "end of with": """
        with counted():
            ready()
    """,
    "asyncio": "asyncio.run(create())",
    "asyncio async with": "asyncio.run(create_in_block())",
    "asyncio open": "asyncio.run(open_late())",
    "trio": "trio.run(create)",
    "trio async with": "trio.run(create_in_block)",
    "trio open": "trio.run(open_late)",
}

HASH = """
    ended = []
    def verify(text):
        kw.verify(text)
        ended.append(text)
    kw = opened()
    first, *others = sys.argv[2:]
    for text in others:
        threading.Thread(target=verify, args=[text], daemon=True).start()
    ready()
    try:
        kw.verify(first)
    finally:
        assert len(ended) < len(others), "the memory for hashes was free, and nothing was to wait for"
"""


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@contextmanager
def child(place: Path, body: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A program that is ready to wait."""
    body = textwrap.indent(textwrap.dedent(body), "    ")
    program = f"{HEAD}\ntry:\n{body}\nexcept KeyboardInterrupt:\n    print('KeyboardInterrupt', flush=True)\n"
    command = [sys.executable, "-c", program, f"sqlite:{place}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert read_line(process) == "ready\n"
            yield process
        finally:
            process.kill()


def interrupt(process: subprocess.Popen[str]) -> None:
    """Lets the program go on, interrupts it once its main thread sleeps, and waits for its end."""
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    assert read_line(process) == "waits\n"
    deadline = time.monotonic() + 300
    while "S" not in subprocess.run(["ps", "-o", "stat=", "-p", str(process.pid)], capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert (output, process.returncode) == ("KeyboardInterrupt\n", 0)


@pytest.mark.parametrize("name", CALLS)
def test_an_interrupt_ends_a_wait_for_a_lock(tmp_path: Path, name: str) -> None:
    place = tmp_path / "keys.db"
    Keywright(f"sqlite:{place}", brand="liq", pepper=PEPPER).close()
    with child(place, CALLS[name]) as process:
        command = [sys.executable, "-c", LOCK, str(place)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            try:
                assert read_line(other) == "\n"
                interrupt(process)
            finally:
                other.communicate("\n")
    with Keywright(f"sqlite:{place}", brand="liq", pepper=PEPPER) as kw:
        assert len(kw.keys.list().data) <= 1
        assert kw.audit.verify().ok


def test_an_interrupt_ends_a_wait_for_a_hash(tmp_path: Path) -> None:
    place = tmp_path / "keys.db"
    with Keywright(f"sqlite:{place}", brand="liq", pepper=PEPPER, hash="argon2id") as kw:
        texts = [kw.keys.create(name="x").api_key for _ in range(KEYS)]
    # One such hash takes all the memory that hashes may take, so that the others wait for it.
    with sqlite3.connect(place) as database:
        database.execute("UPDATE secrets SET verifier = replace(verifier, 'm=19456,t=2,p=1', 'm=262144,t=16,p=1')")
        assert database.execute("SELECT count(*) FROM secrets WHERE verifier LIKE '%m=262144,t=16,%'").fetchone() == (KEYS,)
    database.close()
    with child(place, HASH, *texts) as process:
        interrupt(process)
