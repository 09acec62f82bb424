"""Transactions that the server ends, and flushes whose answer is lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from database import succeeds, trouble
from keywright import KeywrightError

if TYPE_CHECKING:
    from database import Database


def fails_first(database: Database, times: int, state: str) -> None:
    """Lets the server end the next transactions that write keys. A sequence keeps counting when they are rolled back."""
    database.sql(
        f"create sequence failures; create function fails_first() returns trigger language plpgsql as $$ begin "
        f"if nextval('{database.schema}.failures') <= {times} then raise exception 'ended' using errcode = '{state}'; end if; "
        f"return new; end $$; create trigger fails_first before insert or update on keys for each row execute function fails_first()"
    )


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_transaction_that_the_server_ends_runs_again(database: Database, state: str) -> None:
    with database.open() as kw:
        new = kw.keys.create(name="CI")
        fails_first(database, 3, state)
        other = kw.keys.create(name="other")
        assert kw.verify(other.api_key)
        database.sql("alter sequence failures restart")
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"
        assert kw.audit.verify().ok


def test_it_does_not_run_again_for_ever(database: Database) -> None:
    with database.open() as kw:
        fails_first(database, 1_000, "40001")
        with pytest.raises(KeywrightError) as caught:
            kw.keys.create(name="CI")
        trouble(str(caught.value), "PostgreSQL ended the transaction because of another one", "try again")
        assert int(database.sql("select last_value from failures")) < 10
        database.sql("drop function fails_first cascade")
        assert kw.verify(kw.keys.create(name="CI").api_key)


def test_many_changes_of_which_the_server_ends_some(database: Database) -> None:
    with database.open() as kw:
        fails_first(database, 4, "40001")
        threads = [threading.Thread(target=kw.keys.create, kwargs={"name": f"{number}"}) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(int(it.name) for it in kw.keys.list()) == list(range(16))
        assert kw.audit.verify().ok


@pytest.mark.parametrize("direction", ["to_client", "to_server"])
def test_a_flush_without_an_answer_counts_once(database: Database, until: Any, direction: str) -> None:
    """Its counts were written, or not. It is sent again, and they are there once."""
    servers = database.servers
    proxy = servers("proxy", to=database.server)
    url = database.url(port=proxy["port"], sslmode="disable", statement_timeout="1s", connect_timeout="3")
    with database.open() as other, database.open(url, busy_timeout="1s", max_staleness="1h") as kw:
        new = other.keys.create(name="CI")
        # On a busy machine any statement may reach the limit.
        until(lambda: kw.verify(new.api_key, agent="buyer-7").allowed)
        until(lambda: succeeds(kw.flush))

        def answers_from_memory() -> bool:
            """Once it listens, and has asked for the changes from before."""
            before = servers("state", proxy["name"])
            is_answered = kw.verify(new.api_key, scopes="not:granted").code == "insufficient_scope"
            listens = any(it["listens"] for it in before["connections"])
            return bool(is_answered and listens and servers("state", proxy["name"])["requests"] == before["requests"])

        until(answers_from_memory)
        servers("traffic", proxy["name"], mode="swallow", direction=direction)
        for _ in range(20):
            assert kw.verify(new.api_key, agent="buyer-7")
        with pytest.raises(KeywrightError) as caught:
            kw.flush()
        trouble(str(caught.value), "PostgreSQL", "look at the network and at the server")
        if direction == "to_client":
            until(lambda: database.sql("select usage_count from usage where lookup = ''") == "21")
        # More uses come meanwhile, and a flush of these fails too.
        for _ in range(7):
            assert kw.verify(new.api_key, agent="buyer-8")
        with pytest.raises(KeywrightError):
            kw.flush()
        servers("traffic", proxy["name"])
        servers("cut", proxy["name"])

        until(lambda: succeeds(kw.flush))
        for engine in (kw, other):
            assert engine.keys.get(new.id).usage_count == 28
            assert {it.agent: it.usage_count for it in engine.keys.agents(new.id)} == {"buyer-7": 21, "buyer-8": 7}


def test_flushes_of_engines_that_ended_are_forgotten(database: Database) -> None:
    with database.open() as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key)
    assert database.sql("select count(*), max(number) from usage_flushes") == "1|1"
    database.sql("update usage_flushes set flushed_at = now() - interval '8 days'")
    with database.open() as kw:
        assert kw.verify(new.api_key)
    assert database.sql("select count(*) from usage_flushes where flushed_at < now() - interval '1 day'") == "0"
    assert database.sql("select usage_count from usage where lookup = ''") == "2"


@pytest.mark.parametrize("pooled", [False, True])
def test_a_change_waits_for_another_one_and_does_not_fail(apart: Database, pooled: bool) -> None:
    """At a stricter isolation than the engine's own the server would end one of two changes that meet."""
    apart.sql(f"alter database {apart.name} set default_transaction_isolation = 'serializable'")
    given = {"prepared_statements": "no", "listen": "no"} if pooled else {}
    port = apart.servers("pooler", to=apart.server)["port"] if pooled else None
    with apart.open(apart.url(port=port, **given)) as kw:
        apart.sql(
            f"create table seen (level text); create function look() returns trigger language plpgsql as $$ begin "
            f"insert into {apart.schema}.seen values (current_setting('transaction_isolation')); return new; end $$; "
            f"create trigger look before insert or update on keys for each row execute function look()"
        )
        kw.keys.revoke(kw.keys.create(name="CI").id)
    assert apart.sql("select distinct level from seen") == "read committed"
