"""When a call returns, its own process has every change that the call has seen, whoever made it."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from keywright import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from database import Database
    from keywright import Keywright


def enable(kw: Keywright, key_id: Any) -> None:
    with pytest.raises(Conflict):
        kw.keys.enable(key_id)


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "revoke": lambda kw, key_id: kw.keys.revoke(key_id),
    "revoke_keys": lambda kw, _: kw.orgs.revoke_keys("default"),
    "enable": enable,
    "create": lambda kw, _: kw.keys.create(name="another"),
    "flush": lambda kw, _: kw.flush(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_knows_what_another_process_has_revoked(database: Database, call: str) -> None:
    # It hears no notification, and asks once in twenty minutes, or with a flush.
    deaf = database.url(listen="no")
    with database.open() as other, database.open(deaf, max_staleness="1h") as kw:
        new = other.keys.create(name="CI")
        # The first one reads the changes beside the row, so that only the second one stays in memory.
        assert kw.verify(new.api_key) and kw.verify(new.api_key)
        # No counts are left, so no flush comes before the next verification.
        kw.flush()
        other.keys.revoke(new.id)
        assert kw.verify(new.api_key), "memory must answer, or this test finds nothing"
        CALLS[call](kw, new.id)
        assert kw.verify(new.api_key).code == "revoked"


def test_a_false_notification_hides_no_revocation(database: Database, until: Any) -> None:
    """Any role may send one."""
    heard: list[Any] = []
    with (
        database.open() as other,
        database.open(max_staleness="1h", on_event=heard.append) as kw,
        database.open(max_staleness=0, on_event=heard.append) as strict,
    ):
        first, second = (other.keys.create(name="CI") for _ in range(2))
        for engine, new in product((kw, strict), (first, second)):
            # The first one reads the changes beside the row, so that only the second one stays in memory.
            assert engine.verify(new.api_key) and engine.verify(new.api_key)
        # Now it listens.
        other.keys.revoke(first.id)
        until(lambda: kw.verify(first.api_key).code == "revoked")
        number = int(database.sql("select seq from meta"))
        # The number of the next change and one far ahead, and texts that are none of ours.
        for sent in ({"seq": number + 1, "keys": ["x"]}, {"seq": number + 900}, {"seq": number + 2, "all": True}, ["x"], number):
            database.sql(f"select pg_notify('keywright:{database.schema}', '{json.dumps(sent)}')", "plain_only")
        other.keys.revoke(second.id)
        until(lambda: kw.verify(second.api_key).code == "revoked")
        assert strict.verify(second.api_key).code == "revoked"
    assert "store_replaced" not in [it.kind for it in heard]
