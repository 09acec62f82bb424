"""The functions of the schema and those of others: nobody has his code run by the owner, or by the sessions of an engine."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from database import refusal, trouble
from test_schema import works
from traps import traps

if TYPE_CHECKING:
    from database import Database


def test_nobody_else_calls_a_function_of_the_schema(database: Database) -> None:
    """Most of them run as the owner, on whichever table has them as a trigger."""
    database.open().close()
    ours = f"from pg_proc p where p.pronamespace = '{database.schema}'::regnamespace"
    assert int(database.sql(f"select count(*) {ours}")) > 10
    assert database.sql(f"select p.oid::regprocedure {ours} and has_function_privilege('public', p.oid, 'execute')") == ""
    # None searches a schema that its caller names.
    assert database.sql(f"select p.oid::regprocedure {ours} and not coalesce(p.proconfig::text like '%search_path=%', false)") == ""


@pytest.mark.parametrize("pooled", [False, True])
def test_no_statement_calls_a_function_of_public(apart: Database, pooled: bool) -> None:
    apart.sql(traps())
    assert "a function of public was called" in apart.refused("set search_path to public; select 1::numeric * 2")
    given = {"prepared_statements": "no", "listen": "no"} if pooled else {}
    port = apart.servers("pooler", to=apart.server)["port"] if pooled else None
    quotas = {"daily": {"amount": 50, "every": "day"}, "credits": {"amount": 50, "per": "org"}}
    with apart.open(apart.url(port=port, **given), max_staleness=0, quotas=quotas) as kw:
        works(kw)
        parent = kw.keys.create(
            name="parent", metadata={"team": "billing"}, limits=[{"name": "import", "rate": 9, "burst": 9}], expires_in_days=1
        )
        assert kw.keys.credit(parent.id, 50).amount == 100
        kw.keys.attest(parent.id, agent="buyer-7", claims={"purchase": "paper"})
        assert kw.verify(parent.api_key, agent="buyer-7")
        kw.flush()
        assert [it.agent for it in kw.keys.agents(parent.id)] == ["buyer-7"]
        assert kw.keys.find(parent.prefix).id == parent.id
        for status in ("active", "disabled", "expired", "revoked", "all"):
            kw.keys.list(status=status, environment="live", name="parent", limit=1)
        kw.keys.list(idle_days=1)
        kw.org("acme").keys.create(name="of acme")
        assert kw.orgs.revoke_keys("acme") == 1
        first = kw.keys.list(limit=1)
        assert first.next_cursor and kw.keys.list(limit=1, cursor=first.next_cursor).data
        assert len(kw.orgs.list().data) == 2
        assert kw.audit.list(agent="buyer-7", action="agent.attest", key_id=parent.id).data
        assert kw.audit.prune(datetime.now(timezone.utc) - timedelta(days=1)) == 0
        assert kw.audit.verify().ok


def test_a_schema_in_which_everybody_may_create(apart: Database) -> None:
    """The functions of ours that run as its owner would call theirs."""
    apart.schema = "public"
    apart.sql("grant create on schema public to public")
    trouble(str(refusal(apart, apart.url())), "every role may create", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", "?schema=")
    apart.sql("revoke create on schema public from public")
    with apart.open() as kw:
        works(kw)
