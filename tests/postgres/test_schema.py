"""The schema: how it is made and migrated, and that a release works on the schema of the next one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from database import PEPPER, refusal, trouble

if TYPE_CHECKING:
    from database import Database
    from keywright import Keywright

PROCESSES = 10
OPENS = """
import sys
from keywright import Keywright

input()
with Keywright(sys.argv[1], brand="liq", pepper=sys.argv[2], busy_timeout="5m") as kw:
    new = kw.keys.create(name="CI")
    assert kw.verify(new.api_key)
    print(new.id)
"""
# Takes back all migrations but the first.
FIRST_SCHEMA = (
    "drop trigger audit_queued on audit; drop function queue_deliveries; drop table webhook_outbox; drop table webhook_endpoints; "
    "drop function note_formats cascade; drop index secrets_imported_prefix; alter table meta drop column imported_formats; "
    "alter table keys drop column quotas; drop table quotas; drop function buy_requests; drop table budgets; drop table usage_flushes; "
    "update meta set schema = 1, oldest_reader = 1"
)


def opened_at_once(database: Database) -> list[str]:
    """Opens the schema in many processes at once, and returns the ids of the keys that they made."""
    command = [sys.executable, "-c", OPENS, database.url(), PEPPER]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES
    return [it.strip() for it in said]


@pytest.mark.parametrize("first", ["nothing", "an older schema"])
def test_ten_processes_open_at_once(database: Database, first: str) -> None:
    before = []
    if first != "nothing":
        with database.open() as kw:
            before = [kw.keys.create(name="before").id]
        database.sql(FIRST_SCHEMA)
    ids = opened_at_once(database)
    assert database.sql("select count(*), min(schema) from meta") == f"1|{newest()}"
    with database.open() as kw:
        assert sorted(it.id for it in kw.keys.list()) == sorted([*before, *ids])
        assert kw.audit.verify().ok


def newest() -> int:
    """The newest schema of this release."""
    folder = Path(__file__).parents[2] / "core" / "src" / "store" / "postgres" / "migrations"
    return len(list(folder.glob("*.sql")))


def test_a_reader_does_not_migrate(database: Database) -> None:
    database.open().close()
    database.sql(FIRST_SCHEMA)
    said = str(refusal(database, database.url(), read_only=True))
    trouble(said, f"schema 1 and this release needs {newest()}", "open it once without read_only")
    assert database.sql("select schema from meta") == "1"


def test_a_migration_that_fails_leaves_the_schema_as_it_was(database: Database) -> None:
    database.open().close()
    database.sql(FIRST_SCHEMA)
    database.sql("create table usage_flushes (of_another_program int)")
    said = str(refusal(database, database.url()))
    trouble(said, "another program has taken a name in the schema", '"usage_flushes" already exists', "?schema=")
    assert database.sql("select schema from meta") == "1"
    database.sql("drop table usage_flushes")
    with database.open() as kw:
        assert kw.verify(kw.keys.create(name="CI").api_key)
    assert database.sql("select schema from meta") == str(newest())


def works(kw: Keywright) -> str:
    """Makes every kind of change, and returns the text of a key that is left."""
    new = kw.keys.create(name="CI", scopes="a:b")
    kw.keys.update(new.id, name="renamed")
    rotated = kw.keys.rotate(new.id, grace="1h")
    assert kw.verify(new.api_key) and kw.verify(rotated.api_key)
    kw.keys.end_grace(new.id)
    kw.keys.disable(new.id)
    kw.keys.enable(new.id)
    kw.flush()
    assert kw.keys.get(new.id).usage_count == 2
    kw.keys.revoke(new.id)
    assert kw.verify(rotated.api_key).code == "revoked"
    kw.orgs.disable("default")
    kw.orgs.enable("default")
    key = {"name": "imported", "lookup": "4711", "verifier": "sha256$ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"}
    assert kw.keys.import_hashed([key], format="sanctum").refused == 0
    assert kw.keys.import_hashed([key], format="sanctum").existing == 1
    assert kw.verify("4711|12345678") and kw.keys.find("4711").name == "imported"
    assert kw.audit.verify().ok
    return kw.keys.create(name="left").api_key


def test_the_release_before_works_on_the_next_schema(database: Database) -> None:
    """The next release only adds: tables, columns, indexes. This one goes on, also while it runs, as if they were not there."""
    with database.open() as running:
        old = works(running)
        database.sql(
            "create table plans (key_id text primary key, number int not null); "
            "alter table orgs add column plan text; alter table keys add column plan text not null default 'free'; "
            "alter table secrets add column label text; alter table usage add column bytes bigint; "
            "alter table audit add column request text; alter table meta add column region text; "
            "alter table idempotency add column host text; alter table usage_flushes add column host text; "
            "create index keys_plan on keys (plan); update meta set schema = 900, oldest_reader = 1"
        )
        assert running.verify(old)
        works(running)
    with database.open() as opened:
        assert opened.verify(old)
        text = works(opened)
    assert database.sql("select schema from meta") == "900"
    with database.open(read_only=True) as reader:
        assert reader.verify(text)


def test_schemas_of_one_database_are_apart(database: Database) -> None:
    with database.open() as one, database.beside().open() as two:
        text = one.keys.create(name="CI").api_key
        assert one.verify(text)
        assert two.verify(text).code == "invalid"
        assert list(two.keys.list()) == []
