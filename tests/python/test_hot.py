"""Answers from memory, and the counters that arrive however a process ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from keywright import AsyncKeywright, Keywright, NewKey, ValidationFailed
from keywright.testing import ManualClock
from waiting import PATIENCE

PEPPER = "a pepper of these tests, of 32 bytes or more"


class Text(str):
    """Text that may be anything else the next time."""


def opened(folder: Path, **options: Any) -> Keywright:
    return Keywright(f"sqlite:{folder / 'keys.db'}", brand="liq", pepper=PEPPER, **options)


def test_a_list_of_scopes_that_changes_is_read_anew(kw: Keywright) -> None:
    new = kw.keys.create(name="CI", scopes="deals:read")
    scopes = ["deals:read"]
    for _ in range(2):
        assert kw.verify(new.api_key, scopes=scopes)
    scopes.append("deals:write")
    assert kw.verify(new.api_key, scopes=scopes).missing_scopes == ["deals:write"]


def test_texts_of_scopes_are_told_apart_however_often_they_come(kw: Keywright) -> None:
    new = kw.keys.create(name="CI", scopes="deals:read", level="read")
    for turn in range(2_000):
        granted = turn % 3 == 0
        scopes = "deals:" + ("read" if granted else f"write{turn}")
        assert bool(kw.verify(new.api_key, scopes=scopes, method="GET")) is granted
        assert kw.verify(new.api_key, scopes=Text(scopes), method="GET").allowed is granted
        assert kw.verify(new.api_key, scopes=scopes, method="POST").code == "method_not_allowed"
        with pytest.raises(ValidationFailed):
            kw.verify(new.api_key, scopes="Deals:" + str(turn))


def test_a_decision_that_is_given_again_says_what_is_true_now(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    with opened(tmp_path, clock=clock) as kw:
        old = kw.keys.create(name="CI")
        first = kw.verify(old.api_key)
        assert kw.verify(old.api_key) is first and kw.authenticate(old.api_key) is first.key
        new = kw.keys.rotate(old.id, grace="1h")
        assert kw.verify(old.api_key).deprecated
        assert [len(kw.authenticate(new.api_key).secrets) for _ in range(2)] == [2, 2]
        clock.advance(3_600_000)
        assert [len(kw.authenticate(new.api_key).secrets) for _ in range(2)] == [1, 1]
        kw.keys.update(old.id, name="renamed")
        assert [kw.verify(new.api_key, agent=agent).agent for agent in ("a", "b")] == ["a", "b"]
        assert kw.authenticate(new.api_key).name == "renamed"
        kw.keys.revoke(old.id)
        assert kw.verify(new.api_key).code == "revoked" and first.allowed


@pytest.mark.parametrize("form", [str, str.encode, lambda it: bytearray(it.encode()), Text])
def test_a_key_may_come_as_text_or_bytes(kw: Keywright, form: Callable[[str], Any]) -> None:
    new = kw.keys.create(name="CI")
    assert kw.verify(form(new.api_key)) and kw.verify(form(new.api_key))
    assert kw.verify(new.api_key[:-1] + "\ud800").code == "invalid"


def test_memory_and_store_say_the_same(tmp_path: Path) -> None:
    with opened(tmp_path) as hot, opened(tmp_path, keys_in_memory=0) as cold:
        new = hot.keys.create(name="CI", scopes="deals:read", networks=["10.0.0.0/8"])
        asked: list[dict[str, Any]] = [{}, {"ip": "10.0.0.1"}, {"ip": "8.8.8.8"}, {"ip": "10.0.0.1", "scopes": "a:b"}]
        for change in (lambda: None, lambda: cold.keys.disable(new.id), lambda: cold.keys.enable(new.id)):
            change()
            for request in asked:
                for _ in range(2):
                    assert hot.verify(new.api_key, **request).code == cold.verify(new.api_key, **request).code
        with pytest.raises(ValidationFailed):
            opened(tmp_path, keys_in_memory=-1)


def test_after_a_revoke_no_thread_is_allowed(kw: Keywright) -> None:
    for _ in range(20):
        new = kw.keys.create(name="CI")
        revoked = threading.Event()
        wrong: list[str] = []

        def verify(new: NewKey = new, revoked: threading.Event = revoked, wrong: list[str] = wrong) -> None:
            for _ in range(300):
                over = revoked.is_set()
                if kw.verify(new.api_key) and over:
                    wrong.append("allowed after the revoke")

        threads = [threading.Thread(target=verify) for _ in range(8)]
        for thread in threads:
            thread.start()
        kw.keys.revoke(new.id)
        revoked.set()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert kw.verify(new.api_key).code == "revoked"


def test_a_thousand_at_once(async_kw: AsyncKeywright) -> None:
    async def main() -> None:
        async with async_kw as kw:
            new = await kw.keys.create(name="CI")
            decisions = await asyncio.gather(*(kw.verify(new.api_key) for _ in range(1_000)))
            assert all(decisions)
            await kw.flush()
            assert (await kw.keys.get(new.id)).usage_count == 1_000

    asyncio.run(main())


LOCKER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
held.execute("ROLLBACK")
"""


def test_an_engine_that_is_dropped_waits_without_the_interpreter(tmp_path: Path) -> None:
    """Another program holds the file until a thread of this one asks it not to, which that can only do meanwhile."""
    kw = opened(tmp_path, busy_timeout="5m")
    new = kw.keys.create(name="CI")
    command = [sys.executable, "-c", LOCKER, str(tmp_path / "keys.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as locker:
        assert locker.stdout is not None and locker.stdout.readline() == "held\n"
        dropping = threading.Event()

        def ask() -> None:
            dropping.wait()
            locker.communicate("\n")

        thread = threading.Thread(target=ask)
        thread.start()
        assert kw.verify(new.api_key)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(600)  # so that no thread runs here before this one waits
        try:
            dropping.set()
            del kw
        finally:
            sys.setswitchinterval(interval)
        thread.join()
    with opened(tmp_path) as again:
        assert again.keys.get(new.id).usage_count == 1


PREFACE = """
import os, signal, sys, time
from keywright import Keywright

def main():
    kw = Keywright("sqlite:keys.db", brand="liq", pepper=sys.argv[1])
    for _ in range(5):
        assert kw.verify(sys.argv[2])
    return kw
"""

ENDINGS = {
    "the end of the program": "kw = main()",
    "sys.exit": "kw = main(); sys.exit(0)",
    "an exception": "kw = main(); raise RuntimeError",
    "the engine is dropped": "main(); os._exit(0)",
    "a handler of SIGTERM": """
kw = main()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
""",
    "a forked child": "kw = main()\nif os.fork() == 0: kw.verify(sys.argv[2]); sys.exit(0)\nos.wait(); kw.verify(sys.argv[2])",
    "children of multiprocessing": """
import multiprocessing
if __name__ == "__main__":
    kw = main()
    for way in ("fork", "spawn", "forkserver"):
        child = multiprocessing.get_context(way).Process(target=main)
        child.start()
        child.join()
""",
    "a preloading server": """
kw = main()
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        kw.verify(sys.argv[2])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    children.append(child)
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""",
}
COUNTS = {"a forked child": 7, "children of multiprocessing": 20, "a preloading server": 8}


@pytest.mark.parametrize("ending", ENDINGS)
def test_counters_arrive_at(ending: str, tmp_path: Path) -> None:
    with opened(tmp_path) as kw:
        new = kw.keys.create(name="CI")
        program = tmp_path / "program.py"
        program.write_text(PREFACE + textwrap.dedent(ENDINGS[ending]))
        command = [sys.executable, str(program), PEPPER, new.api_key]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode == 0) is (ending != "an exception"), done.stderr
        assert kw.keys.get(new.id).usage_count == COUNTS.get(ending, 5), done.stderr
