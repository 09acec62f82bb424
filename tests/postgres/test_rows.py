"""Rows that no release wrote: a key whose row is odd is `unavailable`, and the others verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from database import told
from keywright import Keywright

if TYPE_CHECKING:
    from database import Database

ASKS = {"max_staleness": 0}
DEEP = "repeat('[', 200) || '1' || repeat(']', 200)"
# Rows that the role of an application may write.
ODD = {
    "limits of another shape": """keys set limits = '[{"no": "limit"}]'""",
    "limits that are no objects": "keys set limits = '[1]'",
    "limits of nothing": "keys set limits = '[null]'",
    "a rate below 0": """keys set limits = '[{"name": "a", "rate": -1, "burst": 1, "per": "key", "operation": null}]'""",
    "a rate that no integer holds": """keys set limits = '[{"name": "a", "rate": 1e30, "burst": 1, "per": "key", "operation": null}]'""",
    "limits of another owner": """keys set limits = '[{"name": "a", "rate": 1, "burst": 1, "per": "planet", "operation": null}]'""",
    "a number that no float holds": """keys set metadata = '{"a": 1e400}'""",
    "metadata of great depth": f"keys set metadata = ('{{\"a\": ' || {DEEP} || '}}')::jsonb",
    "a tier of another engine": "keys set tier = 'another'",
    "no verifier": "secrets set verifier = ''",
    "a verifier of another scheme": "secrets set verifier = '$scrypt$v=1$aaaa'",
    "a damaged verifier": "secrets set verifier = left(verifier, 40)",
}
# Rows that only the owner can write, who may drop the checks.
UNCHECKED = {
    "infinite creation": ("keys", "keys set created_at = 'infinity'"),
    "infinite expiry": ("keys", "keys set expires_at = 'infinity'"),
    "expiry before all time": ("keys", "keys set expires_at = '-infinity'"),
    "revocation at no time": ("keys", "keys set revoked_at = '-infinity'"),
    "metadata that is no object": ("keys", "keys set metadata = '[]'"),
    "limits that are no list": ("keys", "keys set limits = '{}'"),
    "scopes with a hole": ("keys", "keys set scopes = array['a:b', null]"),
    "scopes in a table": ("keys", "keys set scopes = array[['a:b'], ['c:d']]"),
    "networks with a hole": ("keys", "keys set networks = array['10.0.0.0/8', null]"),
    "a level of another program": ("keys", "keys set level = 'root'"),
    "an infinite grace": ("secrets", "secrets set grace_ends_at = 'infinity'"),
    "a secret from before all time": ("secrets", "secrets set created_at = '-infinity'"),
    "use at no time": ("usage", "usage set last_used_at = 'infinity'"),
    "networks of the org in a table": ("orgs", "orgs set networks = array[['10.0.0.0/8'], ['11.0.0.0/8']]"),
}


def drop_checks(database: Database, table: str) -> None:
    database.sql(
        f"do $$ declare it record; begin for it in select conname from pg_constraint where contype = 'c' "
        f"and conrelid = '{database.schema}.{table}'::regclass loop "
        f"execute 'alter table {table} drop constraint ' || quote_ident(it.conname); end loop; end $$"
    )


def judged(kw: Keywright, text: str) -> str:
    """The code of a decision, or of the error that stands for it."""
    return str(kw.verify(text, ip="10.1.2.3").code)


def odd(database: Database, statement: str, org: str) -> tuple[Any, str]:
    """A used key whose row is odd, and the text of one beside it."""
    with database.open() as kw:
        new, beside = kw.org(org).keys.create(name="odd"), kw.keys.create(name="beside").api_key
        assert kw.verify(new.api_key)
        kw.flush()
    table, _, change = statement.partition(" set ")
    column = {"orgs": "id", "keys": "id"}.get(table, "key_id")
    database.sql(f"update {table} set {change} where {column} = '{org if table == 'orgs' else new.id}'")
    return new, beside


@pytest.mark.parametrize("name", [*ODD, *UNCHECKED])
def test_the_key_of_an_odd_row_is_unavailable(database: Database, name: str) -> None:
    database.open().close()
    if name in UNCHECKED:
        drop_checks(database, UNCHECKED[name][0])
    statement = ODD.get(name) or UNCHECKED[name][1]
    new, beside = odd(database, statement, "apart")
    known = {"tiers": {"known": {"rate": 1}}}
    with database.open(**ASKS, **known) as kw:
        assert judged(kw, new.api_key) == "unavailable"
        assert judged(kw, beside) == "None"
        wrong = new.api_key[:30] + ("a" if new.api_key[30] != "a" else "b") + new.api_key[31:]
        assert judged(kw, wrong) in ("invalid", "unavailable")
        # Calls about the key answer, or say what is wrong. None ends the program.
        keys = kw.org("apart").keys
        for call in (lambda: keys.get(new.id), keys.list, lambda: keys.revoke(new.id), kw.flush):
            said = told(call)
            assert not said or "no release of Keywright wrote" in said, said
        assert judged(kw, new.api_key) in ("unavailable", "revoked")


def test_a_filter_of_another_length_makes_no_key_invalid(database: Database) -> None:
    # Without a pepper verifiers are slow, and have a filter beside them.
    with Keywright(database.url(), brand="liq", busy_timeout="5m") as kw:
        new = kw.keys.create(name="CI")
        database.sql("update secrets set filter = '\\x00'")
    with Keywright(database.url(), brand="liq", busy_timeout="5m") as kw:
        assert kw.verify(new.api_key).code == "unavailable"
        database.sql("update secrets set filter = null")
        assert kw.verify(new.api_key)


@pytest.mark.parametrize("table", ["keys", "secrets", "orgs", "usage", "agents", "audit"])
def test_no_role_writes_an_infinite_time(database: Database, table: str) -> None:
    """Such a row would make a list unavailable."""
    with database.open() as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key, agent="a")
        kw.flush()
    times = database.sql(
        f"select attname from pg_attribute where attrelid = '{database.schema}.{table}'::regclass and atttypid = 'timestamptz'::regtype"
    ).split()
    assert times
    for column in times:
        said = database.refused(f"update {table} set {column} = 'infinity'")
        assert "check constraint" in said or "not changed in this way" in said, said
