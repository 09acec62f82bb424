"""A program as users write it, checked by mypy --strict and pyright in strict mode; it is not run."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx

from keywright import (
    AsyncClient,
    AsyncKeywright,
    AsyncPage,
    AuditEntry,
    Client,
    Decision,
    Denied,
    Key,
    Keywright,
    KeywrightError,
    NewKey,
    OrgRecord,
    Page,
)
from keywright.logging import RedactingFilter
from keywright.testing import ManualClock


def sync(pepper: bytes) -> None:
    with Keywright(
        "sqlite:keys.db",
        brand="liq",
        environments=["live", "test"],
        environment="*",
        scopes={"deals:read": "Read deals"},
        pepper=["first", pepper],
        hash="hmac-sha256",
        id_style="integer",
        busy_timeout=timedelta(seconds=5),
        tiers={"basic": 100, "premium": {"rate": 10_000, "burst": 500}, "split": [{"name": "read", "rate": 100}]},
        limits={"read": {"rate": 100, "burst": 20, "per": "org", "operation": "read"}, "calls": 1_000},
        limiter="machine",
        clock=ManualClock(),
    ) as kw:
        new: NewKey = kw.keys.create(name="CI", scopes={"deals:read"}, expires_in_days=365, metadata={"team": 7})
        text: str = new.api_key
        shown: dict[str, Any] = new.reveal()
        key: Key = new
        expires: datetime | None = key.expires_at
        page: Page[Key] = kw.keys.list(status="all", limit=10)
        names: list[str] = [it.name for it in page]
        prefixes: list[str] = [it.prefix for it in page.data]
        decision: Decision = kw.verify(text.encode(), scopes="deals:read", method="GET", ip="203.0.113.7")
        if decision and decision.key is not None:
            org: str = decision.key.org
            print(org)
        elif decision.code == "insufficient_scope":
            print(decision.missing_scopes)
        try:
            owner: Key = kw.org("acme").authenticate(text, scopes=("deals:read",))
        except Denied as denied:
            print(denied.decision.message, denied.code, denied.status)
        except KeywrightError as error:
            print(error.field)
        else:
            print(owner)
        rotated: NewKey = kw.keys.rotate(new.id, grace=timedelta(hours=24), replace_current=True)
        kw.keys.update(rotated.id, level=None, tier="basic", networks=["10.0.0.0/8"])
        kw.keys.update(rotated.id, limits=[it.to_dict() for it in rotated.limits])
        burst: int = kw.keys.update(rotated.id, limits={"own": {"rate": 5, "burst": 2}}).limits[0].burst
        orgs: Page[OrgRecord] = kw.orgs.list()
        entries: list[AuditEntry] = kw.audit.list(action="key.revoke").data
        revoked: int = kw.orgs.revoke_keys("acme", reason="breach")
        print(shown, expires, names, prefixes, orgs, entries, revoked, burst, RedactingFilter(kw))


async def awaited() -> None:
    async with AsyncKeywright("sqlite:keys.db", brand="liq") as kw:
        new: NewKey = await kw.keys.create(name="CI")
        decision: Decision = await kw.verify(new.api_key)
        key: Key = await kw.authenticate(None)
        page: AsyncPage[Key] = await kw.keys.list(limit=5)
        names: list[str] = [it.name async for it in page]
        ids: list[str] = [it.id async for it in kw.orgs.list()]
        print(decision, key, names, ids, kw.redact("text"), RedactingFilter(kw))


def remote() -> None:
    with Client("https://keys.example", api_key="text", max_staleness="2s", http=httpx.Client()) as client:
        new: NewKey = client.keys.create(name="CI", scopes={"deals:read"}, expires_in_days=365)
        key: Key = client.org("acme").authenticate(new.api_key, scopes="deals:read")
        decision: Decision = client.verify(None)
        names: list[str] = [it.name for it in client.keys.list(limit=5)]
        entries: Page[AuditEntry] = client.audit.list(key_id=key.id)
        print(decision, names, entries)


async def remote_awaited() -> None:
    async with AsyncClient(api_key="text", timeout=timedelta(seconds=5)) as client:
        new: NewKey = await client.keys.rotate("id", grace="1h")
        key: Key = await client.org("acme").authenticate(new.api_key)
        page: AsyncPage[Key] = await client.keys.list(limit=5)
        names: list[str] = [it.name async for it in client.keys.list()]
        print(key, page, names)


def wrong(kw: Keywright) -> None:
    """Each line is an error of types, or the checker complains that its mark is needless."""
    kw.keys.create("CI")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    kw.keys.create(name=7)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    kw.keys.create(nmae="CI")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    kw.keys.create(name="CI", level="write")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    kw.keys.create(name="CI", limits=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    kw.keys.get("x").name = "y"  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
