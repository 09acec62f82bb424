"""Another server that answers: a standby that was promoted, a server that was restored, a primary that takes no changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from database import Database, refusal, succeeds, told, trouble
from test_tls import hosts, place

if TYPE_CHECKING:
    from keywright import KeywrightError

ASKS = {"max_staleness": 0}


def pair(database: Database) -> tuple[Database, Database]:
    """A primary and its standby."""
    servers = database.servers
    primary = servers("postgres", version=database.server)
    database.on(primary).open().close()
    return database.on(primary), database.on(servers("standby", of=primary["name"]))


def caught_up(primary: Database, standby: Database, until: Any) -> None:
    """Waits until the standby has all changes."""
    seq = primary.sql("select seq from meta")
    until(lambda: standby.sql("select seq from meta") == seq)


def kinds(heard: list[Any]) -> list[str]:
    return [it.kind for it in heard if it.kind.startswith("store_")]


def test_a_promoted_standby_is_reported_and_found(database: Database, until: Any) -> None:
    primary, standby = pair(database)
    heard: list[Any] = []
    with primary.open(hosts(primary, place(primary), place(standby)), on_event=heard.append, **ASKS) as kw:
        kept, lost = kw.keys.create(name="kept"), kw.keys.create(name="lost")
        assert kw.verify(kept.api_key) and kw.verify(lost.api_key)
        caught_up(primary, standby, until)
        # The last change does not reach the standby.
        standby.alter("set primary_conninfo = ''")
        until(lambda: primary.sql("select count(*) from pg_stat_replication") == "0")
        kw.keys.revoke(kept.id)
        assert kw.verify(kept.api_key).code == "revoked"
        database.servers("stop", primary.server, how="kill")
        database.servers("promote", standby.server)
        until(lambda: kw.verify(lost.api_key).allowed)
        until(lambda: "store_replaced" in kinds(heard))
        replaced = next(it for it in heard if it.kind == "store_replaced")
        trouble(replaced.reason, "another server, or an older copy of the database", "audit.head()")
        # Memory is empty: the verdict is that of the database which answers now.
        assert kw.verify(kept.api_key).allowed
        kw.keys.revoke(kept.id)
        assert kw.verify(kept.api_key).code == "revoked"
        assert kw.audit.verify().ok


def test_a_key_that_was_revoked_after_a_failover_is_refused_by_who_revokes_it_again(database: Database, until: Any) -> None:
    """The change that was lost and the revocation have the same number, and nothing but the transaction itself tells them apart."""
    primary, standby = pair(database)
    url = hosts(primary, place(primary), place(standby), listen="no")
    with primary.open(url, max_staleness="1h") as kw:
        key, other = kw.keys.create(name="CI"), kw.keys.create(name="other")
        assert kw.verify(key.api_key)
        # No count is left, whose flush would ask for changes.
        kw.flush()
        caught_up(primary, standby, until)
        standby.alter("set primary_conninfo = ''")
        until(lambda: primary.sql("select count(*) from pg_stat_replication") == "0")
        kw.keys.revoke(other.id)
        lost = primary.sql("select seq from meta")
        database.servers("stop", primary.server, how="kill")
        database.servers("promote", standby.server)
        with standby.open() as beside:
            beside.keys.revoke(key.id)
        assert standby.sql("select seq from meta") == lost
        until(lambda: succeeds(lambda: kw.keys.revoke(key.id)))
        assert kw.verify(key.api_key).code == "revoked"


def test_a_change_that_no_synchronous_standby_has_is_not_acknowledged(database: Database, until: Any) -> None:
    """The server would end its wait at a time limit, and say that the change was made."""
    own = database.on(database.servers("postgres", version=database.server))
    with own.open(own.url(statement_timeout="500ms"), busy_timeout="1s") as kw:
        new = kw.keys.create(name="CI")
        own.alter("set synchronous_standby_names = 'nobody'")
        until(lambda: own.sql("show synchronous_standby_names") == "nobody")
        trouble(told(lambda: kw.keys.revoke(new.id)), "may have been made or not", "Idempotency-Key")
        # The first one waits on, with the lock of the sequence.
        trouble(told(lambda: kw.keys.create(name="second")), "held a lock for longer than busy_timeout")
        own.alter("reset synchronous_standby_names")
        until(lambda: succeeds(lambda: kw.keys.create(name="last")))
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"
        assert kw.audit.verify().ok


def test_a_primary_that_takes_no_changes_any_more_is_left(database: Database, until: Any) -> None:
    """It still runs, and a tool has fenced it: connections to it are closed, and none is opened again."""
    primary, standby = pair(database)
    with primary.open(hosts(primary, place(primary), place(standby)), **ASKS) as kw:
        first = kw.keys.create(name="first")
        caught_up(primary, standby, until)
        primary.alter("set default_transaction_read_only = on")
        until(lambda: primary.sql("show default_transaction_read_only") == "on")
        database.servers("promote", standby.server)
        second = kw.keys.create(name="second")
        assert standby.sql("select count(*) from keys") == "2"
        assert kw.verify(second.api_key), "reads went on at the former primary"
        kw.keys.revoke(first.id)
        assert kw.verify(first.api_key).code == "revoked"
        asked = "select count(*) from pg_stat_activity where application_name = 'keywright'"
        until(lambda: primary.sql(asked) == "0")
        # The former primary takes changes again, and comes first in the URL.
        primary.alter("reset default_transaction_read_only")
        until(lambda: primary.sql("show default_transaction_read_only") == "off")
        standby.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'keywright'")
        until(lambda: succeeds(lambda: kw.keys.create(name="more")))
        until(lambda: kw.verify(first.api_key).code == "revoked")
        assert primary.sql("select count(*) from keys") == "1"
        until(lambda: primary.sql(asked) == "0")


def test_a_restart_is_no_other_database(database: Database, until: Any) -> None:
    running = database.servers("postgres", version=database.server)
    own = database.on(running)
    heard: list[Any] = []
    with own.open(on_event=heard.append, **ASKS) as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key)
        for how in ("fast", "kill"):
            database.servers("stop", own.server, how=how)
            database.servers("start", own.server)
            until(lambda: kw.verify(new.api_key).allowed)
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"
    assert "store_replaced" not in kinds(heard)


def test_tables_that_were_restored_are_reported(database: Database, until: Any) -> None:
    heard: list[Any] = []
    with database.open(on_event=heard.append, **ASKS) as kw:
        new = kw.keys.create(name="CI")
        copy = f"{database.schema}_copy"
        assert kw.verify(new.api_key)
        # As pg_restore leaves them: the same rows in other tables.
        database.sql(f"create schema {copy}; create table {copy}.meta as table meta")
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"
        database.sql(f"drop trigger meta_raised on meta; update meta set seq = (select seq from {copy}.meta)")
        until(lambda: kw.verify(new.api_key).code == "revoked" and "store_replaced" in kinds(heard))


def test_an_unknown_server_is_refused_by_its_schema(database: Database) -> None:
    """A URL that leads to an empty server by mistake makes no second database for a reader."""
    running = database.servers("postgres", version=database.server)
    error: KeywrightError = refusal(database, database.on(running).url(), read_only=True)
    trouble(str(error), "no tables of Keywright")
