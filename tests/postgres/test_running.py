"""A server that fails while an engine runs: no key is allowed or `invalid` for it, no call hangs, and the error says what to do."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from database import NEEDED, PEPPER, succeeds, told, trouble
from keywright import Keywright, KeywrightError
from postgres import OWNER, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from database import Database

# Every verification asks the server.
ASKS = {"max_staleness": 0}


def failed(act: Callable[[], Any]) -> str:
    """The error of a call that must fail."""
    with pytest.raises(KeywrightError) as caught:
        act()
    return str(caught.value)


def unavailable(kw: Keywright, *texts: str) -> None:
    """A key that the engine has proved, and one that it has never seen, are judged by no guess."""

    def code(call: Callable[[str], Any]) -> str:
        try:
            return str(call(texts[0]).code)
        except KeywrightError as error:
            assert error.status == 503
            return error.code

    calls = [kw.authenticate, *(lambda _, text=text: kw.verify(text) for text in texts)]
    with ThreadPoolExecutor() as threads:
        assert set(threads.map(code, calls)) == {"unavailable"}


def works_again(kw: Keywright, text: str, until: Callable[..., Any]) -> None:
    until(lambda: kw.verify(text).allowed)


def test_a_statement_timeout(database: Database, until: Any) -> None:
    url = database.url(statement_timeout="1s")
    text, cold = database.key(), database.key()
    with database.open(url, **ASKS) as kw:
        # On a busy machine any statement may reach the limit.
        works_again(kw, text, until)
        with database.locked("lock table keys in access exclusive mode"):
            unavailable(kw, text, cold)
            # On a busy machine this side may give up first.
            until(lambda: "stopped a statement at its time limit" in failed(kw.keys.list))
            trouble(failed(kw.keys.list), "statement_timeout")
        works_again(kw, text, until)


def test_a_lock_of_another_program(database: Database, until: Any) -> None:
    with database.open() as other:
        new = other.keys.create(name="CI")
    with database.open(busy_timeout="1s", **ASKS) as kw:
        with database.locked("select from meta for update"):
            said = failed(lambda: kw.keys.revoke(new.id))
            trouble(said, "another program held a lock for longer than busy_timeout", "end the program")
            assert kw.verify(new.api_key).allowed
        until(lambda: succeeds(lambda: kw.keys.revoke(new.id)))
        assert kw.verify(new.api_key).code == "revoked"


def test_missing_privileges(database: Database, until: Any) -> None:
    database.open().close()
    role = f"role_of_{database.schema}"
    schema = database.schema
    database.servers("sql", database.server, statement=f"create role {role} login password '{PASSWORD}'")
    database.sql(f"grant usage on schema {schema} to {role}; grant select on all tables in schema {schema} to {role}")
    with database.open() as owner:
        new, cold = owner.keys.create(name="CI"), owner.keys.create(name="cold").api_key
    with database.open(database.url(role=role), **ASKS) as kw:
        assert kw.verify(new.api_key).allowed
        for change in (lambda: kw.keys.create(name="CI"), lambda: kw.keys.revoke(new.id), kw.flush):
            trouble(failed(change), "permission denied for table", "the guide's page on PostgreSQL")
        database.sql(f"revoke select on keys from {role}")
        unavailable(kw, new.api_key, cold)
        trouble(failed(lambda: kw.keys.get(new.id)), "permission denied for table keys")
        database.sql(f"grant select on keys to {role}")
        works_again(kw, new.api_key, until)
        database.sql(f"grant insert, update, delete on usage, agents, usage_flushes, idempotency to {role}")


def test_too_many_connections(database: Database, until: Any) -> None:
    database.open().close()
    role = f"role_of_{database.schema}"
    database.servers("sql", database.server, statement=f"create role {role} login superuser password '{PASSWORD}'")
    cold = database.key()
    with database.open(database.url(role=role), **ASKS) as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key)
        database.servers("sql", database.server, statement=f"alter role {role} nosuperuser connection limit 0")
        database.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{role}'")
        until(lambda: kw.verify(new.api_key).code == "unavailable")
        # A session ends a moment after it was told to.
        until(lambda: "too many connections" in told(lambda: kw.keys.create(name="CI")))
        unavailable(kw, new.api_key, cold)
        database.servers("sql", database.server, statement=f"alter role {role} superuser connection limit -1")
        works_again(kw, new.api_key, until)


@pytest.mark.parametrize(
    ("state", "parts"),
    [
        ("53100", ["the disk of the PostgreSQL server is full", "free space on the server"]),
        ("53200", ["out of memory", "give it more memory"]),
        ("XX001", ["damaged data", "restore it from a backup"]),
        ("55000", ["SQLSTATE 55000", "look at the server's log"]),
    ],
)
def test_errors_of_a_server(database: Database, state: str, parts: list[str]) -> None:
    """As a server raises them whose disk is full."""
    with database.open() as kw:
        new = kw.keys.create(name="CI")
        raises = f"begin raise exception 'could not extend file' using errcode = '{state}'; end"
        database.sql(
            f"create function fails() returns trigger language plpgsql as $$ {raises} $$; "
            "create trigger fails before insert or update on keys execute function fails()"
        )
        trouble(failed(lambda: kw.keys.create(name="CI")), *parts)
        trouble(failed(lambda: kw.keys.revoke(new.id)), *parts)
        database.sql("drop function fails cascade")
        assert kw.verify(new.api_key).allowed
        kw.keys.revoke(new.id)
        assert [it.name for it in kw.keys.list()] == []


def test_a_full_disk(database: Database, until: Any) -> None:
    server = database.servers("postgres", version=database.server, disk=24)
    if server["disk"] is None:
        pytest.skip("this user may mount nothing, not even in a namespace")
    own, ballast = database.on(server), f"{server['disk']}/ballast"
    own.servers("sql", own.server, statement=f"create tablespace small location '{server['disk']}'")
    own.servers("sql", own.server, statement=f"alter role {OWNER} set default_tablespace = small")
    made = 1
    with own.open(**ASKS) as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key)
        filled = own.refused(f"copy (select repeat('x', 8000) from generate_series(1, 100000)) to '{ballast}'")
        assert "No space left on device" in filled
        # Some pages have room for a few more rows.
        while not (said := told(lambda: kw.keys.create(name="CI", description="x" * 1_000))):
            made += 1
        trouble(said, "the disk of the PostgreSQL server is full", "free space on the server")
        assert kw.verify(new.api_key).allowed
        own.sql(f"copy (select where false) to '{ballast}'")
        until(lambda: succeeds(lambda: kw.keys.create(name="CI")))
        assert len(list(kw.keys.list(limit=1_000))) == made + 1
        kw.flush()
        assert kw.keys.get(new.id).usage_count == 2
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"
        assert kw.audit.verify().ok


def test_prepared_statements_that_are_lost(database: Database, until: Any) -> None:
    """As by a pooler that gives the next transaction another session."""
    with database.open() as kw:
        kw.keys.create(name="CI")
        database.sql(
            "create function loses() returns trigger language plpgsql as $$ begin execute 'deallocate all'; return new; end $$; "
            "create trigger loses after insert on audit execute function loses()"
        )
        # The first use of a statement prepares it for the next one.
        said = [""]
        until(lambda: said.append(told(lambda: kw.keys.create(name="CI"))) or "loses prepared statements" in said[-1])
        trouble(said[-1], NEEDED)
        database.sql("drop function loses cascade")
        until(lambda: succeeds(lambda: kw.keys.create(name="last")))
        assert kw.audit.verify().ok


def test_a_table_that_another_program_dropped(database: Database) -> None:
    cold = database.key()
    with database.open(**ASKS) as kw:
        new = kw.keys.create(name="CI")
        database.sql("alter table secrets rename to elsewhere")
        unavailable(kw, new.api_key, cold)
        trouble(failed(kw.keys.list), "the schema lacks a table or a column", "restore it from a backup")
        database.sql("alter table elsewhere rename to secrets")


@pytest.mark.parametrize("how", ["swallow", "hold"])
def test_a_network_that_loses_everything(database: Database, until: Any, how: str) -> None:
    proxy = database.servers("proxy", to=database.server)
    url = database.url(port=proxy["port"], sslmode="disable", statement_timeout="1s", connect_timeout="3")
    text, cold = database.key(), database.key()
    with database.open(url, busy_timeout="1s", **ASKS) as kw:
        works_again(kw, text, until)
        database.servers("traffic", proxy["name"], mode=how)
        with ThreadPoolExecutor() as threads:
            listed = threads.submit(failed, kw.keys.list)
            created = threads.submit(failed, lambda: kw.keys.create(name="CI"))
            unavailable(kw, text, cold)
            trouble(listed.result(), "PostgreSQL", "look at the network and at the server")
            trouble(created.result(), "PostgreSQL")
        database.servers("traffic", proxy["name"])
        database.servers("cut", proxy["name"])
        works_again(kw, text, until)


def test_a_verification_gives_up_after_a_fifth_of_statement_timeout(database: Database, until: Any) -> None:
    """The error tells the limit. A list would wait for 2 seconds longer than statement_timeout."""
    proxy = database.servers("proxy", to=database.server)
    text = database.key()
    heard: list[Any] = []
    url = database.url(port=proxy["port"], sslmode="disable", statement_timeout="20s")
    with database.open(url, on_event=heard.append, **ASKS) as kw:
        works_again(kw, text, until)
        database.servers("traffic", proxy["name"], mode="swallow", direction="to_client")
        assert kw.verify(text).code == "unavailable"
        until(lambda: [it.reason for it in heard if it.kind == "store_failed"])
        trouble(next(it.reason for it in heard if it.kind == "store_failed"), "did not answer within 4000 ms", "statement_timeout")
        database.servers("traffic", proxy["name"])
        database.servers("cut", proxy["name"])
        works_again(kw, text, until)


def test_a_slow_list_holds_up_no_verification(database: Database, until: Any) -> None:
    """It has a connection of its own, also if it was the only one before."""
    with database.open() as other:
        made = [other.keys.create(name="CI") for _ in range(3)]
    with database.open() as kw, ThreadPoolExecutor() as threads:
        kw.keys.list()
        with database.locked("lock table agents in access exclusive mode"):
            waiting = [threads.submit(kw.keys.agents, it.id) for it in made[:2]]
            asks = f"select count(*) from pg_locks where not granted and relation = '{database.schema}.agents'::regclass"
            until(lambda: int(database.sql(asks)) > 0)
            assert all(kw.verify(it.api_key).allowed for it in made)
            assert not any(it.done() for it in waiting)
        assert [it.result() for it in waiting] == [[], []]


def test_a_change_that_takes_too_long(database: Database, until: Any) -> None:
    with database.open() as other:
        other.keys.create(name="first")
    with database.open(database.url(statement_timeout="500ms")) as kw:
        database.sql(
            "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return new; end $$; "
            "create trigger slow after insert on audit execute function slow()"
        )
        trouble(failed(lambda: kw.keys.create(name="never")), "stopped a statement at its time limit")
        database.sql("drop function slow cascade")
        until(lambda: succeeds(lambda: kw.keys.create(name="second")))
    with database.open() as other:
        assert [it.name for it in other.keys.list()] == ["second", "first"]
        assert other.audit.verify().ok


def told_by_http(kw: Keywright) -> str:
    """The answer to a request that creates a key."""
    session = {"org": "default", "actor": "alice", "may": "keys:manage"}
    lines = [(b"content-type", b"application/json")]
    answer = kw.http().manage("POST", b"/keys", lines, None, b'{"name": "maybe"}', session)
    assert answer.status == 504 and b"retry-after" not in [name.lower() for name, _ in answer.headers]
    return answer.body.decode()


@pytest.mark.parametrize(
    ("act", "parts"),
    [
        (lambda kw: failed(lambda: kw.keys.create(name="maybe")), ["broke off during the commit", "Idempotency-Key"]),
        # A client would repeat a 503.
        (told_by_http, ["UNAVAILABLE"]),
    ],
)
def test_a_commit_without_an_answer(database: Database, until: Any, act: Callable[[Keywright], str], parts: list[str]) -> None:
    """It was made, or it was not: the error says so, and what comes later works."""
    proxy = database.servers("proxy", to=database.server)
    with database.open(database.url(port=proxy["port"], sslmode="disable", statement_timeout="1min"), busy_timeout="5m") as kw:
        kw.keys.create(name="first")
        database.sql(
            "create function waits() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock(16); return new; end $$; "
            "create trigger waits after insert on audit execute function waits()"
        )
        said: list[str] = []
        with database.locked("select pg_advisory_xact_lock(16)"):
            creating = threading.Thread(target=lambda: said.append(act(kw)))
            creating.start()
            until(lambda: database.sql("select count(*) from pg_locks where locktype = 'advisory' and not granted") == "1")
            database.servers("traffic", proxy["name"], mode="swallow", direction="to_client")
        until(lambda: database.sql("select count(*) from keys where name = 'maybe'") == "1")
        database.servers("traffic", proxy["name"])
        database.servers("cut", proxy["name"])
        creating.join()
        trouble(said[0], "may have been made or not", *parts)
        until(lambda: succeeds(lambda: kw.keys.create(name="second")))
        assert [it.name for it in kw.keys.list()] == ["second", "maybe", "first"]
        assert kw.audit.verify().ok


@pytest.mark.parametrize(
    "act",
    [
        lambda kw, new: kw.keys.create(name="a\0b"),
        lambda kw, new: kw.keys.create(name="CI", description="a\0b"),
        lambda kw, new: kw.keys.create(name="CI", created_by="a\0b"),
        lambda kw, new: kw.keys.create(name="CI", metadata={"a": "\0"}),
        lambda kw, new: kw.keys.create(name="CI", metadata={"a": [{"\0": 1}]}),
        lambda kw, new: kw.keys.update(new.id, name="\0"),
        lambda kw, new: kw.keys.revoke(new.id, reason="a\0b"),
        lambda kw, new: kw.keys.revoke(new.id, actor="a\0b"),
        lambda kw, new: kw.keys.get("a\0b"),
        lambda kw, new: kw.keys.find("liq_live_\0"),
        lambda kw, new: kw.keys.list(name="\0"),
        lambda kw, new: kw.audit.list(key_id="\0"),
        lambda kw, new: kw.audit.list(action="\0"),
        lambda kw, new: kw.keys.attest(new.id, agent="a", claims={"x": "\0"}),
        lambda kw, new: kw.org("a\0"),
        lambda kw, new: kw.orgs.get("a\0"),
    ],
)
def test_nul_in_a_text(database: Database, act: Callable[[Keywright, Any], Any]) -> None:
    with database.open() as kw:
        new = kw.keys.create(name="CI")
        try:
            found = act(kw, new)
        except KeywrightError as error:
            assert error.code in ("validation_failed", "not_found"), error
            assert error.field
        else:
            # A filter that nothing matches.
            assert not list(found or [])
        assert kw.verify(f"{new.api_key}\0").code == "invalid"
        assert kw.verify(new.api_key)


def test_a_stopped_server(database: Database, until: Any, caplog: Any) -> None:
    """Trouble and its end are reported once, without a password."""
    server = database.servers("postgres", version=database.server)
    heard: list[Any] = []
    with database.on(server).open(on_event=heard.append, **ASKS) as kw, caplog.at_level(logging.DEBUG):
        new = kw.keys.create(name="CI")
        for how in ("fast", "immediate", "kill"):
            database.servers("stop", server["name"], how=how)
            until(lambda: kw.verify(new.api_key).code == "unavailable")
            trouble(failed(lambda: kw.keys.create(name="CI")), "PostgreSQL")
            database.servers("start", server["name"])
            works_again(kw, new.api_key, until)
        until(lambda: succeeds(lambda: kw.keys.create(name="CI")))
        until(lambda: [it.kind for it in heard if it.kind.startswith("store")][:2] == ["store_failed", "store_recovered"])
    for text in (*caplog.messages, *(it.reason or "" for it in heard)):
        assert PASSWORD not in text and PEPPER not in text
