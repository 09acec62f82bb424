"""The roles of the guide, and what no program can take back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postgres import OWNER, PASSWORD

if TYPE_CHECKING:
    from database import Database

GUIDE = Path(__file__).parents[2] / "core" / "guide" / "postgresql.md"


@pytest.fixture
def application(database: Database) -> str:
    """A role with the rights that the guide grants, on a schema that its owner has made."""
    database.open().close()
    role = f"app_of_{database.schema}"
    database.servers("sql", database.server, statement=f"create role {role} login password '{PASSWORD}'")
    grants = re.findall(r"^GRANT .*;", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(grants) >= 6
    for grant in grants:
        database.sql(re.sub(r"\bkeywright\b", database.schema, grant).replace("TO app", f"TO {role}"))
    return role


def test_the_application_does_all_that_it_needs(database: Database, application: str) -> None:
    limits = {"calls": {"rate": 100, "when_unreachable": "refuse"}}
    with database.open(database.url(role=application), max_staleness=0, limits=limits, quotas={"credits": {"amount": 2}}) as kw:
        new = kw.keys.create(name="CI", scopes="deals:read", expires_in_days=1)
        assert kw.keys.credit(new.id, 8).remaining == 10
        assert kw.verify(new.api_key, agent="buyer-7").limits[0].shared
        kw.keys.update(new.id, name="renamed", metadata={"a": 1})
        kw.keys.attest(new.id, agent="buyer-7", claims={"purchase": "paper"})
        rotated = kw.keys.rotate(new.id, grace="1h")
        assert kw.verify(rotated.api_key) and kw.verify(new.api_key)
        kw.keys.end_grace(new.id)
        assert kw.verify(new.api_key).code == "revoked"
        kw.keys.disable(new.id)
        assert kw.verify(rotated.api_key).code == "disabled"
        kw.keys.enable(new.id)
        acme = kw.org("acme").keys.create(name="of acme")
        kw.orgs.disable("acme")
        assert kw.verify(acme.api_key).code == "disabled"
        kw.orgs.enable("acme")
        assert kw.orgs.revoke_keys("acme") == 1
        kw.flush()
        assert kw.keys.get(new.id).usage_count == 3
        assert [it.agent for it in kw.keys.agents(new.id)] == ["buyer-7"]
        kw.keys.revoke(new.id)
        assert [it.status for it in kw.keys.list(status="all")] == ["revoked"]
        assert kw.audit.verify().ok


ENTRY = (
    "insert into audit (seq, at, action, details, hash) select {seq}, {at}, 'key.update', '{details}', repeat('0', 32)::bytea from audit"
)
REFUSED_TO_THE_APPLICATION = [
    ("drop table keys", "must be owner"),
    ("alter table keys add column x int", "must be owner"),
    ("create table more (id int)", "permission denied for schema"),
    ("drop trigger keys_stamped on keys", "must be owner"),
    ("alter table keys disable trigger all", "must be owner"),
    ("set session_replication_role = replica", "permission denied"),
    ("truncate keys", "permission denied"),
    ("delete from keys", "permission denied"),
    ("delete from secrets", "permission denied"),
    ("delete from usage", "permission denied"),
    ("delete from orgs", "permission denied"),
    ("update audit set actor = 'nobody'", "permission denied"),
    ("delete from audit", "permission denied"),
    ("truncate audit", "permission denied"),
    ("update meta set seq = 0", "permission denied"),
    ("update meta set schema = 0", "permission denied"),
    ("delete from meta", "permission denied"),
    ("update keys set revoked_at = null", "a revocation is final"),
    ("update keys set revoked_at = now()", "a revocation is final"),
    ("update keys set id = 'another'", "never changes"),
    ("update secrets set grace_ends_at = null where grace_ends_at is not null", "a grace never gets longer"),
    ("update secrets set grace_ends_at = now() where grace_ends_at is not null", "a grace never gets longer"),
    ("update secrets set key_id = 'another'", "never changes"),
    ("update orgs set id = 'another'", "never changes"),
    # With the last possible number no change could have an entry any more.
    (ENTRY.format(seq="9223372036854775806", at="now()", details="{}"), "an entry follows the last one"),
    (ENTRY.format(seq="-5", at="now()", details="{}"), "an entry follows the last one"),
    (ENTRY.format(seq="max(seq) + 1", at="'infinity'", details="{}"), "violates check constraint"),
    (ENTRY.format(seq="max(seq) + 1", at="now()", details="[1]"), "violates check constraint"),
    # Values that the engine could not read.
    ("update keys set expires_at = 'infinity'", "violates check constraint"),
    ("update keys set created_at = '-infinity'", "violates check constraint"),
    ("update keys set scopes = '{{a},{b}}'", "violates check constraint"),
    ("update keys set networks = array[null]::text[]", "violates check constraint"),
    ("update keys set limits = '{}'", "violates check constraint"),
    ("update keys set quotas = '{}'", "violates check constraint"),
    ("update keys set metadata = '[]'", "violates check constraint"),
    ("update orgs set disabled_at = 'infinity'", "violates check constraint"),
    # A function that runs as the owner would have the code of this table run as the owner.
    (
        "create temp table bait (id text, changed_seq bigint); "
        "create trigger t before insert on bait for each row execute function stamp_org()",
        "permission denied for function stamp_org",
    ),
    ("select notify_change('{}', '{}')", "permission denied for function notify_change"),
]

REFUSED_TO_THE_OWNER = [
    ("update keys set revoked_at = null", "a revocation is final"),
    ("update keys set revoked_at = revoked_at + interval '1 day'", "a revocation is final"),
    ("delete from secrets; delete from keys", "final"),
    ("truncate keys, secrets", "not changed in this way"),
    ("truncate audit", "not changed in this way"),
    ("update audit set actor = 'nobody'", "not changed in this way"),
    ("update secrets set grace_ends_at = null where grace_ends_at is not null", "a grace never gets longer"),
    ("update meta set seq = seq - 1", "never goes back"),
    ("update meta set deleted_seq = deleted_seq - 1", "never goes back"),
    ("delete from meta", "not changed in this way"),
    ("truncate meta", "not changed in this way"),
]


def test_no_program_takes_back_a_right_that_has_ended(database: Database, application: str) -> None:
    with database.open(max_staleness=0) as kw:
        new = kw.keys.create(name="CI")
        rotated = kw.keys.rotate(new.id, grace="1h")
        kw.keys.end_grace(new.id)
        kw.keys.revoke(new.id)
        # A revocation by any other program counts as well, and takes the keys that the key has made with it.
        other = kw.keys.create(name="other")
        assert kw.verify(other.api_key)
        database.sql(f"update keys set revoked_at = now(), updated_at = now() where id = '{other.id}'", application)
        assert kw.verify(other.api_key).code == "revoked"
        before = database.sql(
            "select (select json_agg(k) from keys k), (select json_agg(s) from secrets s), (select json_agg(a) from audit a)"
        )
        for statement, reason in REFUSED_TO_THE_APPLICATION:
            assert reason in database.refused(statement, application), statement
        for statement, reason in REFUSED_TO_THE_OWNER:
            assert reason in database.refused(statement), statement
        after = database.sql(
            "select (select json_agg(k) from keys k), (select json_agg(s) from secrets s), (select json_agg(a) from audit a)"
        )
        assert before == after
        for text in (new.api_key, rotated.api_key, other.api_key):
            assert kw.verify(text).code == "revoked"
        assert kw.audit.verify().ok


def test_types_that_an_administrator_expects(database: Database) -> None:
    with database.open() as kw:
        kw.keys.create(name="CI", scopes=["deals:read", "deals:write"], metadata={"team": "billing"})
    asked = "select data_type from information_schema.columns where table_schema = '{}' and table_name = 'keys' and column_name = '{}'"
    for column, wanted in {"created_at": "timestamp with time zone", "metadata": "jsonb", "scopes": "ARRAY", "name": "text"}.items():
        assert database.sql(asked.format(database.schema, column)) == wanted
    assert (
        database.sql("select metadata ->> 'team', scopes[2] from keys where created_at > now() - interval '1 day'") == "billing|deals:write"
    )
    assert database.sql(f"select bool_and(tableowner = '{OWNER}') from pg_tables where schemaname = '{database.schema}'") == "t"
