"""`keywright copy`: a whole database moves to PostgreSQL and back, in one transaction."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from database import PEPPER
from keywright import Keywright
from postgres import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from database import Database

PROGRAM = str(Path(sys.executable).parent / "keywright")
TABLES = ("orgs", "keys", "secrets", "usage", "agents", "quotas", "idempotency", "audit", "webhook_endpoints", "webhook_outbox")
# Nobody listens there, so that the messages stay in the database.
WEBHOOK = {"url": "http://127.0.0.1:9/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "events": ["org.created"]}
MANY = 1_100
# The server writes JSON in a spelling of its own.
SPELT = ("limits", "quotas", "metadata")


def environment() -> dict[str, str]:
    own = {"KEYWRIGHT_BRAND": "liq", "KEYWRIGHT_PEPPER": PEPPER, "KEYWRIGHT_BUSY_TIMEOUT": "5m"}
    return {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")} | own


def copying(source: str, target: str) -> subprocess.Popen[str]:
    # A password is no argument.
    places = [place.replace(f":{quote(PASSWORD, safe='')}@", "@") for place in (source, target)]
    words = [PROGRAM, "copy", *places, "--json"]
    env = {**environment(), "PGPASSWORD": PASSWORD}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def copy(source: str, target: str) -> tuple[int, dict[str, Any], str]:
    """Runs the program to its end."""
    with copying(source, target) as running:
        out, said = running.communicate(timeout=300)
    return running.returncode, json.loads(out or "{}"), said


def opened(url: str, **options: Any) -> Keywright:
    return Keywright(url, **{"brand": "liq", "pepper": PEPPER, "busy_timeout": "5m", **options})


def rows(file: Path, table: str) -> list[dict[str, Any]]:
    connection = sqlite3.connect(file)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
    connection.close()
    for row in found:
        row.pop("changed_seq", None)
        row.update({name: json.loads(row[name]) for name in SPELT if row.get(name)})
    return sorted(found, key=str)


def fill(url: str) -> dict[str, str]:
    """Makes a database with every kind of row, and returns keys with the codes of their verification."""
    with opened(url, webhooks=[WEBHOOK]) as kw:
        plain = kw.keys.create(
            name="Plain",
            scopes="deals:read",
            metadata={"team": 'with "quotes"', "sum": 1.5},
            limits=[{"name": "all", "rate": 1_000}],
            quotas={"credits": {"amount": 0}, "daily": {"amount": 50, "every": "day"}},
        )
        kw.keys.credit(plain.id, 50)
        parent = kw.keys.create(name="Parent", scopes="keys:manage,deals:read", networks=["192.0.2.0/24", "2001:db8::/32"])
        child = kw.keys.create(name="Child", scopes="deals:read", created_by="alice")
        rotated = kw.keys.create(name="Rotated", description="two\nlines")
        new = kw.keys.rotate(rotated.id, grace="24h")
        revoked = kw.keys.create(name="Revoked")
        kw.keys.revoke(revoked.id, reason="leaked")
        acme = kw.org("acme").keys.create(name="Of acme")
        for text, agent in [(plain.api_key, "robot"), (plain.api_key, None), (acme.api_key, None)]:
            assert kw.verify(text, agent=agent)
        kw.flush()
        for number in range(MANY):
            kw.org(f"org-{number % 7}").keys.create(name=f"Key {number}")
    connection = sqlite3.connect(url.removeprefix("sqlite:"))
    connection.execute("UPDATE keys SET parent = ? WHERE id = ?", (parent.id, child.id))
    request = ("acme", bytes(32), bytes([1] * 32), bytes([2] * 32), 4_000_000_000_000, acme.id)
    connection.execute("INSERT INTO idempotency (org, name, request, caller, expires_at, changed) VALUES (?, ?, ?, ?, ?, ?)", request)
    connection.commit()
    connection.close()
    return {
        plain.api_key: "allowed",
        child.api_key: "allowed",
        rotated.api_key: "allowed",
        new.api_key: "allowed",
        acme.api_key: "allowed",
        revoked.api_key: "revoked",
    }


def check(url: str, keys: dict[str, str], **options: Any) -> None:
    """Checks that keys verify as before."""
    with opened(url, **options) as kw:
        assert {text: kw.verify(text).code or "allowed" for text in keys} == keys
        assert kw.audit.verify().ok


def test_a_database_moves_and_comes_back(database: Database, tmp_path: Path) -> None:
    first, last = tmp_path / "keys.db", tmp_path / "back.db"
    keys = fill(f"sqlite:{first}")
    before = {table: rows(first, table) for table in TABLES}
    code, said, trouble = copy(f"sqlite:{first}", database.url())
    assert (code, said["ok"], said["problem"]) == (0, True, None), trouble
    assert said["rows"] == {table: len(before[table]) for table in TABLES} and said["rows"]["keys"] == MANY + 6
    assert all(said["rows"].values())
    check(database.url(), keys)

    code, said, trouble = copy(database.url(), f"sqlite:{last}")
    assert (code, said["ok"]) == (0, True), trouble
    moved = {table: rows(last, table) for table in TABLES}
    for table in ("orgs", "keys", "secrets", "audit", "agents", "idempotency"):
        assert moved[table] == before[table], table
    check(f"sqlite:{last}", keys)


def test_filters_of_argon2id_move_as_well(database: Database, tmp_path: Path) -> None:
    source = f"sqlite:{tmp_path / 'keys.db'}"
    with opened(source, hash="argon2id") as kw:
        key = kw.keys.create(name="Slow").api_key
    assert copy(source, database.url())[0] == 0
    with database.open(hash="argon2id") as kw:
        assert kw.verify(key)
        assert kw.verify(key[:-8] + "aaaaaaaa").code == "invalid"


def test_a_database_that_is_in_use_is_refused(database: Database, tmp_path: Path) -> None:
    source = f"sqlite:{tmp_path / 'keys.db'}"
    fill(source)
    key = database.key()
    code, said, trouble = copy(source, database.url())
    assert (code, said) == (2, {}) and "to: " in trouble
    with database.open() as kw:
        assert kw.verify(key) and len(kw.every_org().keys.list().data) == 1


def waits(database: Database) -> bool:
    """Whether a statement waits for the lock on the table of secrets."""
    return database.sql("select count(*) from pg_locks where not granted and relation = 'secrets'::regclass") != "0"


@pytest.fixture
def source(database: Database, tmp_path: Path) -> str:
    """A SQLite database, whose copy on the server has tables without rows yet."""
    url = f"sqlite:{tmp_path / 'keys.db'}"
    opened(url).close()
    assert copy(url, database.url())[0] == 0
    return url


def test_a_copy_that_is_killed_leaves_nothing_and_runs_again(database: Database, source: str, until: Callable[..., Any]) -> None:
    keys = fill(source)
    target = database.url(application_name="killed_copy")
    with database.locked("lock table secrets in share mode"), copying(source, target) as running:
        until(lambda: waits(database))
        running.kill()
    until(lambda: database.sql("select count(*) from pg_stat_activity where application_name = 'killed_copy'") == "0")
    assert database.sql("select (select count(*) from orgs) + (select count(*) from keys) + (select count(*) from audit)") == "0"
    code, said, trouble = copy(source, target)
    assert (code, said["ok"]) == (0, True), trouble
    check(database.url(), keys)


def test_a_change_of_the_source_is_noticed(database: Database, source: str, until: Callable[..., Any]) -> None:
    fill(source)
    with copying(source, database.url()) as running:
        with database.locked("lock table secrets in share mode"):
            until(lambda: waits(database) or running.poll() is not None)
            with opened(source) as kw:
                kw.keys.create(name="Meanwhile")
        _, trouble = running.communicate(timeout=300)
    assert running.returncode == 1 and "from: was changed while it was copied" in trouble
    assert database.sql("select count(*) from keys") == "0"
    assert copy(source, database.url())[0] == 0


def test_a_password_is_not_shown(database: Database, source: str) -> None:
    fill(source)
    code, said, trouble = copy(source, database.url())
    assert code == 0
    assert PASSWORD not in json.dumps(said) + trouble and database.schema in said["to"]
