"""PgBouncer in transaction mode: with other settings than it needs, the first call says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from database import NEEDED, Database, refusal, told, trouble

if TYPE_CHECKING:
    from typing import Any


@pytest.mark.parametrize(
    ("ignored", "given"), [("", {}), ("options", {}), ("options", {"prepared_statements": "no"}), ("options", {"listen": "no"})]
)
def test_a_pooler_needs_other_settings(database: Database, ignored: str, given: dict[str, str]) -> None:
    """It refuses the options of a session, or takes them and ignores them. Either setting alone still needs a session."""
    settings = {"ignore_startup_parameters": ignored}
    pooler = database.servers("pooler", to=database.server, settings=settings)
    trouble(str(refusal(database, database.url(port=pooler["port"], **given))), f"127.0.0.1:{pooler['port']}", NEEDED)
    with database.open(database.url(port=pooler["port"], prepared_statements="no", listen="no"), max_staleness=0) as kw:
        new = kw.keys.create(name="CI")
        assert kw.verify(new.api_key)
        kw.keys.revoke(new.id)
        assert kw.verify(new.api_key).code == "revoked"


def test_a_pooler_without_a_free_connection_says_so(database: Database, until: Any) -> None:
    """Its own settings need a change, not the URL."""
    pooler = database.servers("pooler", to=database.server, settings={"default_pool_size": "1", "query_wait_timeout": "1"})
    url = database.url(port=pooler["port"], prepared_statements="no", listen="no")
    busy = Database(database.servers, database.server, pooler["url"], database.schema)
    with database.open(url) as kw:
        with busy.locked("select 1"):
            found = [str(refusal(database, url))]
            until(lambda: found.append(told(kw.keys.list)) or found[-1])
        for said in (found[0], found[-1]):
            trouble(said, "query_wait_timeout", "look at the settings and the log of the pooler")
            assert NEEDED not in said
        until(lambda: not told(kw.keys.list))
