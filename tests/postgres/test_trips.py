"""Round trips to the server, counted by a proxy, and the silence of an engine that nobody uses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from database import Database

ATTEMPTS = 12
FLUSHES = 4


class Counted:
    """An engine behind a proxy."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.servers = database.servers
        proxy = self.servers("proxy", to=database.server)
        self.proxy = proxy["name"]
        # No query for freshness comes in between.
        self.kw = database.open(database.url(port=proxy["port"], sslmode="disable"), max_staleness="1h", **options)

    def state(self) -> dict[str, Any]:
        return dict(self.servers("state", self.proxy))

    def trips(self, act: Callable[[int], Any]) -> int:
        """The fewest round trips of a call: statements that are prepared, and counts that are written, may come beside it."""
        found = []
        for number in range(ATTEMPTS):
            self.servers("reset", self.proxy)
            act(number)
            found.append(int(self.state()["trips"]))
        return min(it for it in found if it)


def test_reads_take_one(database: Database) -> None:
    with database.open() as other:
        texts = [other.keys.create(name="CI").api_key for _ in range(ATTEMPTS)]
        ids = [it.id for it in other.keys.list()]
    counted = Counted(database, read_only=True)
    with counted.kw as kw:
        assert counted.trips(lambda number: kw.verify(texts[number]).allowed or pytest.fail("denied")) == 1
        assert counted.trips(lambda _: kw.keys.list()) == 1
        assert counted.trips(lambda number: kw.keys.get(ids[number])) == 1


def test_a_verification_whose_memory_is_too_old_takes_one(database: Database) -> None:
    """It asks for changes and for the row at once."""
    with database.open() as other:
        texts = [other.keys.create(name="CI").api_key for _ in range(ATTEMPTS)]
    proxy = database.servers("proxy", to=database.server)
    with database.open(database.url(port=proxy["port"], sslmode="disable"), max_staleness=0, read_only=True) as kw:
        found = []
        for text in texts:
            database.servers("reset", proxy["name"])
            assert kw.verify(text)
            found.append(database.servers("state", proxy["name"])["trips"])
        assert min(found) == 1


def test_a_text_of_many_imported_formats_asks_for_all_rows_at_once(database: Database) -> None:
    # SHA-256 of `12345678`.
    verifier = "sha256$ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"
    with database.open() as other:
        for length in range(1, 13):
            key = {"name": "CI", "lookup": "k" * length, "verifier": verifier}
            other.keys.import_hashed([key], format=f"old_{{lookup:{length}}}{{secret:8-40}}", hashed="secret")
    counted = Counted(database, read_only=True)
    with counted.kw as kw:
        # One for the rows, and one if a connection asks for changes beside it.
        assert counted.trips(lambda number: kw.verify(f"old_{number:02}{'x' * 30}").code == "invalid" or pytest.fail("not invalid")) <= 2
        assert kw.verify("old_kkk12345678").allowed


def test_changes_take_at_most_three(database: Database) -> None:
    counted = Counted(database)
    with counted.kw as kw:
        made = [kw.keys.create(name="CI").id for _ in range(ATTEMPTS)]
        assert counted.trips(lambda _: kw.keys.create(name="CI")) <= 3
        assert counted.trips(lambda number: kw.keys.rotate(made[number], grace="1h")) <= 3
        assert counted.trips(lambda number: kw.keys.revoke(made[number])) <= 3


def test_a_flush_takes_one_whatever_the_number_of_keys(database: Database) -> None:
    counted = Counted(database)
    with counted.kw as kw:
        texts = [kw.keys.create(name="CI").api_key for _ in range(40)]

        def flush(_: int) -> None:
            for text in texts:
                assert kw.verify(text)
            counted.servers("reset", counted.proxy)
            kw.flush()

        for text in texts:
            assert kw.verify(text)
        assert counted.trips(flush) == 1


def test_an_engine_that_answers_from_memory_sends_two_statements_with_each_flush(database: Database, until: Any) -> None:
    """The flush, which comes once a second at most, and one query for changes between two of them."""
    proxy = database.servers("proxy", to=database.server)
    with database.open(database.url(port=proxy["port"], sslmode="disable")) as kw:
        text = kw.keys.create(name="CI").api_key

        def flushes() -> int:
            return int(database.sql("select coalesce(max(number), 0) from usage_flushes"))

        def sends_few() -> bool:
            """At the beginning statements are prepared, and on a busy machine a flush takes long."""
            first, sent = flushes(), int(database.servers("state", proxy["name"])["requests"])
            while (flushed := flushes() - first) < FLUSHES:
                assert kw.verify(text)
                time.sleep(0.05)
            return int(database.servers("state", proxy["name"])["requests"]) - sent <= 2 * flushed + 1

        until(sends_few)


def test_an_idle_engine_sends_nothing(database: Database, until: Any) -> None:
    proxy = database.servers("proxy", to=database.server)
    with database.open(database.url(port=proxy["port"], sslmode="disable"), max_staleness="1s") as kw:
        text = kw.keys.create(name="CI").api_key

        def requests() -> int:
            return int(database.servers("state", proxy["name"])["requests"])

        before = requests()
        # In use it asks again and again.
        until(lambda: kw.verify(text).allowed and requests() > before + 8)

        def is_silent() -> bool:
            seen = requests()
            # The time of six queries, if it were in use.
            time.sleep(1.5)
            return requests() == seen

        until(is_silent)
        assert kw.verify(text)
