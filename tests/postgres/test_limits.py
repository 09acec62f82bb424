"""Limits that processes share in the database: what they cost, what they wait for, and what happens without the database."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from asking import agree, asking
from database import PEPPER, refusal, trouble
from outage import POLICIES, Outage
from test_trips import Counted
from workers import SERVERS, run_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from database import Database

# Nothing comes back while a test runs.
SLOW = {"rate": 1, "burst": 6, "when_unreachable": "refuse"}


def test_two_engines_share_a_limit(database: Database, until: Any) -> None:
    limits = {"all": SLOW, "beside": {**SLOW, "burst": 1_000}}
    with database.open(limits=limits) as one, database.open(limits=limits) as two:
        text = one.keys.create(name="CI").api_key
        engines = [one, two, one]
        passed = [engines[turn % 3].verify(text) for turn in range(6)]
        assert [it.code for it in passed] == [None] * 6
        assert all(limit.shared for it in passed for limit in it.limits)
        # Each sees what the others took as soon as it asks the database itself.
        refused = [engine.verify(text) for engine in (one, two) for _ in range(3)]
        assert {it.code for it in refused} == {"rate_limited"}
        waits = [it.retry_after_seconds for it in refused]
        assert min(waits) >= 1 and max(waits) <= 60
        assert {it.limits[0].remaining for it in refused} == {0}
        # A refused request takes nothing of the other limit, and what was bought in advance goes back.
        until(lambda: two.verify(text).limits[1].remaining >= 994)


def test_an_exact_limit_takes_one_round_trip_and_any_number_of_limits_no_more(database: Database) -> None:
    limits = {name: {"rate": 1, "burst": 1_000, "exact": True} for name in ("one", "two", "three")}
    counted = Counted(database, limits=limits)
    with counted.kw as kw:
        text = kw.keys.create(name="CI").api_key
        assert kw.verify(text)
        assert counted.trips(lambda _: kw.verify(text).allowed or pytest.fail("denied")) == 1


def test_a_hot_limit_takes_few_round_trips(database: Database) -> None:
    counted = Counted(database, limits={"all": {"rate": 1_000_000}})
    with counted.kw as kw:
        text = kw.keys.create(name="CI").api_key
        assert kw.verify(text)
        counted.servers("reset", counted.proxy)
        begin = time.monotonic()
        for _ in range(5_000):
            assert kw.verify(text)
        # A lease lasts for 0.1 s. It begins small, and grows to what the process spends.
        most = 30 + 30 * (time.monotonic() - begin)
        assert counted.state()["trips"] <= most


def test_a_refusal_is_remembered(database: Database) -> None:
    counted = Counted(database, limits={"all": {"rate": 1, "burst": 1}})
    with counted.kw as kw:
        text = kw.keys.create(name="CI").api_key
        assert kw.verify(text).allowed and kw.verify(text).code == "rate_limited"
        counted.servers("reset", counted.proxy)
        begin = time.monotonic()
        for _ in range(2_000):
            assert kw.verify(text).code == "rate_limited"
        assert counted.state()["trips"] <= 5 + 5 * (time.monotonic() - begin)


def test_a_purchase_waits_for_no_change_of_keys(database: Database, until: Any) -> None:
    with database.open(max_staleness="1h", limits={"all": {"rate": 1, "burst": 1_000_000, "exact": True}}) as kw:
        text = kw.keys.create(name="CI").api_key
        assert kw.verify(text)
        with database.locked("select from meta for update"):
            until(lambda: kw.verify(text).limits[0].shared)


def test_rows_of_full_budgets_go_away(database: Database) -> None:
    with database.open(limits={"all": SLOW}) as kw:
        texts = [kw.keys.create(name="CI").api_key for _ in range(4)]
        for text in texts[:3]:
            assert kw.verify(text)
        assert database.sql("select count(*) from budgets") == "3"
        # As if they had been full for an hour.
        database.sql("update budgets set full_at = now() - interval '1 hour', arrival = 0")
        assert kw.verify(texts[3])
        assert database.sql("select count(*) from budgets") == "2"
        assert kw.verify(texts[0]).limits[0].remaining == 5


@contextmanager
def outage_of(database: Database, proxy: dict[str, Any], until: Any) -> Iterator[Outage]:
    """Engines behind a proxy, which answer from memory without their database. It is not over before a key is there to stay."""
    keys = [database.key(), database.key()]
    url = database.url(port=proxy["port"], sslmode="disable")
    with ExitStack() as stack:
        engines = {it: stack.enter_context(database.open(url, max_staleness="1h", limits=limits)) for it, limits in POLICIES.items()}
        outage = Outage(engines, keys)

        def answer_from_memory() -> bool:
            """Once all listen, and have asked for the changes from before. A request without its scope is not counted."""
            before = database.servers("state", proxy["name"])
            codes = {kw.verify(outage.key, scopes="not:granted").code for kw in engines.values()}
            after = database.servers("state", proxy["name"])
            listening = sum(it["listens"] for it in after["connections"])
            return codes == {"insufficient_scope"} and listening == len(engines) and before["requests"] == after["requests"]

        outage.is_over()
        until(answer_from_memory)
        yield outage
        outage.is_over()


def test_the_database_is_lost_and_found(database: Database, until: Any) -> None:
    """Each new connection is reset, as by a firewall."""
    proxy = database.servers("proxy", to=database.server)
    with outage_of(database, proxy, until) as outage:
        database.servers("refuse", proxy["name"], refuses=True)
        database.servers("cut", proxy["name"])
        outage.is_seen()
        database.servers("refuse", proxy["name"], refuses=False)


def test_the_server_is_stopped_and_starts_again(database: Database, until: Any) -> None:
    server = database.servers("postgres", version=database.server)
    proxy = database.servers("proxy", to=server["name"])
    for how in ("fast", "kill"):
        with outage_of(database.on(server), proxy, until) as outage:
            database.servers("stop", server["name"], how=how)
            outage.is_seen()
            database.servers("start", server["name"])


def test_refusals_of_many_processes_agree(database: Database, until: Any) -> None:
    order = {"url": database.url(), "pepper": PEPPER, "limits": {"all": {"rate": 1, "burst": 5}}, "key": database.key()}

    def comes_back() -> float:
        """When four of five requests are missing. The column counts microseconds since 2025 for this rate."""
        return 1_735_689_600 + int(database.sql("select arrival from budgets")) / 1e6 - 4 * 60

    with asking(order, 4) as processes:
        until(lambda: agree(processes, comes_back))


@pytest.mark.parametrize("server", SERVERS)
def test_workers_share_limits_in_the_database(database: Database, server: str) -> None:
    run_workers(server, KEYWRIGHT_TEST_STORE=database.url().replace(f"schema={database.schema}", "application_name=tests") + "&schema=")


def test_a_reader_counts_on_its_own(database: Database) -> None:
    with database.open() as kw:
        text = kw.keys.create(name="CI").api_key
    with database.open(read_only=True, limits={"all": SLOW}) as kw:
        assert not kw.verify(text).limits[0].shared
    trouble(str(refusal(database, database.url(), read_only=True, limiter="store")), "limiter: is store", "read_only")
    trouble(str(refusal(database, database.url(), limiter="machine")), "limiter: is machine", "use store or process")
