"""The engine as an object: opening, closing, threads, and what it does not do."""

from __future__ import annotations

import asyncio
import copy
import gc
import importlib
import importlib.metadata
import inspect
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import keywright
from keywright import AsyncKeywright, Closed, Conflict, Keywright, Unavailable, ValidationFailed
from keywright.http import Response
from keywright.testing import ManualClock
from texts import mistyped
from waiting import PATIENCE

PEPPER = "pepper for tests, thirty-two bytes or more"

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""


def url(folder: Path) -> str:
    return f"sqlite:{folder / 'keys.db'}"


def test_context_manager(tmp_path: Path) -> None:
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER, clock=None, read_only=False) as kw:
        assert isinstance(kw, Keywright)
        new = kw.keys.create(name="CI")
    with pytest.raises(Closed):
        kw.keys.list()
    with pytest.raises(ZeroDivisionError), Keywright(url(tmp_path), brand="liq", pepper=PEPPER) as kw:
        raise ZeroDivisionError
    with pytest.raises(Closed):
        kw.verify(new.api_key)
    with pytest.raises(Closed), kw:
        pytest.fail("entered a closed engine")


def test_use_after_close(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    keys, orgs, audit, org = kw.keys, kw.orgs, kw.audit, kw.org("acme")
    page = kw.keys.list(limit=1)
    kw.close()
    kw.close()
    calls: list[Callable[[], object]] = [
        lambda: kw.verify(new.api_key),
        lambda: kw.authenticate(new.api_key),
        lambda: org.verify(new.api_key),
        lambda: keys.create(name="x"),
        lambda: keys.get(new.id),
        orgs.list,
        audit.head,
        org.keys.list,
    ]
    for call in calls:
        with pytest.raises(Closed) as caught:
            call()
        assert (caught.value.code, caught.value.status, caught.value.field) == ("closed", 503, None)
    assert [it.id for it in page] == [new.id]
    assert kw.redact(new.api_key) == f"{new.prefix}_[redacted]"
    assert re.fullmatch(kw.key_pattern(), new.api_key)
    scanner = ["grep", "-E", "-o", kw.key_pattern(syntax="ere")]
    found = subprocess.run(scanner, input=f"key: {new.api_key}.", capture_output=True, text=True, check=True)
    assert found.stdout == f"{new.api_key}\n"
    with pytest.raises(ValidationFailed) as refused:
        kw.key_pattern(syntax="pcre")  # type: ignore[arg-type]
    assert refused.value.field == "syntax"
    parsed = kw.parse(new.api_key)
    assert parsed is not None
    assert (parsed.environment, parsed.prefix) == ("live", new.prefix)


def test_engines_do_not_pickle(kw: Keywright) -> None:
    for engine in (kw, AsyncKeywright("sqlite:unused.db", brand="liq", pepper=PEPPER)):
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="open database"):
                attempt(engine)
    for handle in (kw.keys, kw.orgs, kw.audit, kw.org("acme")):
        with pytest.raises(TypeError):
            pickle.dumps(handle)


def test_orgs_are_apart(kw: Keywright) -> None:
    ours, theirs = kw.org("acme").keys.create(name="ours"), kw.org("beta").keys.create(name="theirs")
    assert [it.name for it in kw.org("acme").keys.list()] == ["ours"]
    assert kw.org("acme").verify(theirs.api_key).code == "invalid"
    decision = kw.verify(theirs.api_key)
    assert decision.key is not None
    assert decision.key.org == "beta"
    assert {it.name for it in kw.every_org().keys.list()} == {"ours", "theirs"}
    assert kw.keys.list().data == []
    with pytest.raises(keywright.NotFound):
        kw.org("acme").keys.revoke(theirs.id)
    with pytest.raises(keywright.KeywrightError):
        kw.every_org().keys.create(name="whose?")
    assert kw.every_org().keys.revoke(ours.id).status == "revoked"


def test_threads_share_one_engine(kw: Keywright) -> None:
    def work(number: int) -> str:
        new = kw.keys.create(name=f"thread {number}")
        for _ in range(20):
            assert kw.verify(new.api_key)
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"
        return str(new.id)

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(work, range(40)))
    assert len(set(ids)) == 40
    assert kw.audit.verify().ok


def test_what_waits_lets_other_threads_run(tmp_path: Path) -> None:
    """If the wait held the interpreter, no other thread could end it, and the call would give up."""
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER, busy_timeout="5m") as kw:
        command = [sys.executable, "-c", LOCK, str(tmp_path / "keys.db")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdin
            assert other.stdout
            assert other.stdout.readline() == "locked\n"
            made: list[Any] = []
            thread = threading.Thread(target=lambda: made.append(kw.keys.create(name="patient")))
            thread.start()
            assert kw.verify("x").code == "invalid"
            thread.join(0.3)
            assert thread.is_alive()
            other.stdin.write("\n")
            other.stdin.flush()
            thread.join(PATIENCE)
            assert [it.name for it in made] == ["patient"]


def test_a_locked_database_says_so(tmp_path: Path) -> None:
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER, busy_timeout="1s") as kw:
        new = kw.keys.create(name="CI")
        command = [sys.executable, "-c", LOCK, str(tmp_path / "keys.db")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout
            assert other.stdout.readline() == "locked\n"
            with pytest.raises(Unavailable, match="lock"):
                kw.keys.revoke(new.id)
            assert kw.verify(new.api_key), "readers do not wait for writers"
            other.communicate("\n")
        assert kw.keys.revoke(new.id).status == "revoked"


def test_argon2id_waits_without_the_interpreter(tmp_path: Path) -> None:
    with Keywright(url(tmp_path), brand="liq") as kw:
        new = kw.keys.create(name="CI")
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(lambda _: kw.verify(new.api_key).allowed, range(8)))
        wrong = kw.verify(mistyped(new.api_key))
        assert wrong.code == "invalid"


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (it)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="Keywright"):
        Keywright(f"sqlite:{path}", brand="liq", pepper=PEPPER)
    assert path.read_bytes() == before


def test_a_relative_path_stands_in_the_folder_of_construction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    kw = Keywright("sqlite:sync.db", brand="liq", pepper=PEPPER)
    late = AsyncKeywright("sqlite:data/async.db", brand="liq", pepper=PEPPER)
    (here / "session.key").write_text("k" * 40)
    http = late.http(session={"algorithm": "HS256", "key_file": "session.key"})
    monkeypatch.chdir(there)
    kw.keys.create(name="CI")
    kw.close()

    async def main() -> None:
        await late.keys.create(name="CI")
        answer = await http.authenticate("GET", b"/", [], None)
        assert isinstance(answer, Response)
        assert answer.status == 401
        await late.close()

    asyncio.run(main())
    assert (here / "sync.db").exists()
    assert (here / "data" / "async.db").exists()
    assert list(there.iterdir()) == []


def test_a_dropped_engine_lets_go(tmp_path: Path) -> None:
    kw = Keywright(url(tmp_path), brand="liq", pepper=PEPPER)
    kw.keys.create(name="CI")
    del kw
    gc.collect()
    (tmp_path / "keys.db").rename(tmp_path / "moved.db")
    with Keywright(f"sqlite:{tmp_path / 'moved.db'}", brand="liq", pepper=PEPPER) as kw:
        assert [it.name for it in kw.keys.list()] == ["CI"]


@pytest.mark.parametrize("tail", ["", "import os; os._exit(0)", "raise SystemExit(0)", "kw.close()"])
def test_the_interpreter_ends_cleanly_with_an_open_engine(tmp_path: Path, tail: str) -> None:
    program = (
        "import sys\nfrom keywright import Keywright\n"
        f"kw = Keywright(sys.argv[1], brand='liq', pepper={PEPPER!r})\n"
        f"new = kw.keys.create(name='CI')\nassert kw.verify(new.api_key)\nit = iter(kw.keys.list())\n{tail}\n"
    )
    done = subprocess.run([sys.executable, "-c", program, url(tmp_path)], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER) as kw:
        assert len(kw.keys.list().data) == 1


def test_an_interrupt_reaches_a_waiting_program(tmp_path: Path) -> None:
    program = (
        "import signal, sys\nfrom keywright import Keywright\n"
        f"kw = Keywright(sys.argv[1], brand='liq', pepper={PEPPER!r})\n"
        "signal.signal(signal.SIGALRM, signal.default_int_handler)\n"
        "try:\n    signal.setitimer(signal.ITIMER_REAL, 0.2)\n    while True: kw.keys.list()\n"
        "except KeyboardInterrupt: kw.close(); print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, url(tmp_path)], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_a_subinterpreter_gets_a_clean_refusal_or_works() -> None:
    """Two copies of what watches forks would be one too many."""
    interpreters = next((it for it in map(optional, ("_interpreters", "_xxsubinterpreters")) if it), None)
    if interpreters is None:
        pytest.skip("this Python has no interpreters module")
    inner = interpreters.create()
    program = "try:\n    import keywright\nexcept ImportError as refusal:\n    assert 'interpreter' in str(refusal), refusal\n"
    failure = interpreters.run_string(inner, program)
    interpreters.destroy(inner)
    assert failure is None, failure


def optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def test_read_only(tmp_path: Path) -> None:
    with Keywright(url(tmp_path), brand="liq", pepper=PEPPER) as kw:
        new = kw.keys.create(name="CI")
        with Keywright(url(tmp_path), brand="liq", pepper=PEPPER, read_only=True) as reader:
            assert reader.verify(new.api_key)
            with pytest.raises(Unavailable, match=r"read.only"):
                reader.keys.revoke(new.id)
        assert kw.verify(new.api_key)


def test_a_second_rotation_is_a_conflict(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    kw.keys.rotate(new.id)
    with pytest.raises(Conflict) as caught:
        kw.keys.rotate(new.id)
    assert caught.value.status == 409


def test_the_clock(clock: ManualClock) -> None:
    start = clock.now()
    clock.advance(1_500)
    assert (clock.now() - start).total_seconds() == 1.5
    clock.advance(-500)
    clock.advance(clock.now() - start)
    assert (clock.now() - start).total_seconds() == 2
    clock.set(start)
    assert clock.now() == start
    assert ManualClock(start).now() == start
    for bad in (True, 1.5, "1s", None):
        with pytest.raises(TypeError):
            clock.advance(bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="offset"):
        clock.set(start.replace(tzinfo=None))
    with pytest.raises(keywright.InvalidRequest, match="ManualClock") as caught:
        Keywright("sqlite:unused.db", brand="liq", pepper=PEPPER, clock="now")  # type: ignore[arg-type]
    assert caught.value.field == "clock"


def test_a_pepper_of_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(keywright.InvalidRequest) as caught:
        Keywright(url(tmp_path), brand="liq", pepper=None)  # type: ignore[arg-type]
    assert caught.value.field == "pepper"
    assert not (tmp_path / "keys.db").exists()


def test_what_a_restricted_key_is_judged_by_must_be_told(kw: Keywright) -> None:
    near = kw.keys.create(name="near", networks=["10.0.0.0/8"])
    assert [kw.verify(near.api_key, ip=it).code for it in (None, "10.0.0.1")] == ["ip_not_allowed", None]
    reader, full = kw.keys.create(name="reader", level="read"), kw.keys.create(name="full", level="full")
    assert [kw.verify(reader.api_key, method=it).code for it in (None, "GET", "POST")] == ["method_not_allowed", None, "method_not_allowed"]
    assert kw.verify(full.api_key)


def test_help_says_what_may_be_given(kw: Keywright) -> None:
    for told, doc in (
        (Keywright, Keywright.__doc__),
        *((it, it.__doc__) for it in (kw.verify, kw.keys.create, kw.keys.list, kw.keys.rotate)),
    ):
        names = [it for it in inspect.signature(told).parameters if it != "id"]
        assert doc
        assert [it for it in names if not re.search(rf"^{it}\b.*:", doc, re.MULTILINE)] == []
    for method in ("create", "list", "rotate", "purge"):
        assert f"``Keys.{method}``" in str(getattr(keywright.AsyncKeys, method).__doc__)


def test_the_package(kw: Keywright) -> None:
    folder = Path(keywright.__file__).parent
    assert (folder / "py.typed").exists()
    assert [it.name for it in folder.glob("_native*.so")] == ["_native.abi3.so"]
    assert all("extra ==" in it for it in importlib.metadata.requires("keywright") or [])
    assert importlib.metadata.version("keywright") == keywright.__version__
    for method in (kw.keys.create, kw.keys.rotate, kw.verify, Keywright, kw.orgs.update):
        names = list(inspect.signature(method).parameters.values())
        assert names
        assert all(it.kind is not inspect.Parameter.VAR_KEYWORD for it in names)


@pytest.mark.parametrize(
    ("module", "foreign"),
    [
        *((f"keywright{it}", False) for it in ("", ".asgi", ".http", ".logging", ".testing", ".wsgi")),
        *((f"keywright.{it}", True) for it in ("django", "fastapi", "flask", "litestar", "mcp")),
    ],
)
def test_only_the_adapter_of_a_framework_imports_it(module: str, foreign: bool) -> None:
    program = f"""
import sys
before = set(sys.modules)
import {module}
imported = {{it.partition(".")[0] for it in sys.modules.keys() - before}}
print(*sorted(imported - sys.stdlib_module_names - {{"keywright", "__mp_main__"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert bool(done.stdout.split()) is foreign, done.stdout


def test_another_sqlite_in_this_process_is_noticed_before_a_change_is_told(tmp_path: Path) -> None:
    """Its close drops the locks of this process, and takes the log away from under the engine."""
    url = f"sqlite:{tmp_path / 'keys.db'}"
    kw = Keywright(url, brand="acme", pepper="p" * 32)
    new = kw.keys.create(name="CI")
    other = sqlite3.connect(tmp_path / "keys.db")
    other.execute("SELECT count(*) FROM keys").fetchall()
    other.close()
    with pytest.raises(Unavailable, match="another SQLite library"):
        kw.keys.revoke(new.id)
    assert kw.verify(new.api_key).code == "unavailable"
    kw.close()
    with Keywright(url, brand="acme", pepper="p" * 32) as fresh:
        assert fresh.verify(new.api_key)
        assert fresh.audit.verify()
