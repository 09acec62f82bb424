"""The claims of the document of LendWorks."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

from check import HERE, PEPPER, UUID, Answer, Site, running

from keywright import Keywright
from keywright.testing import ManualClock

FORMAT = "lw_{lookup:10}_{secret:32}{checksum:6}"
KEY = "lw_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}"
TIERS = {"basic": 100, "standard": 1_000, "premium": 10_000}
ENGINE: dict[str, Any] = {"key_format": FORMAT, "tiers": TIERS}
EXAMPLES: dict[str, str] = {}


@contextmanager
def started(url: str) -> Iterator[Site]:
    """The example."""
    with running([sys.executable, str(HERE / "lendworks" / "app.py")], url, **ENGINE) as site:
        site.texts["url"] = url
        site.texts["lw_live_xxxxxxxxxxxxxxxx"] = made(site)
        yield site


@contextmanager
def earlier(site: Site, **ago: int) -> Iterator[Keywright]:
    """An engine on the same database, some time ago."""
    clock = ManualClock(datetime.now(timezone.utc) - timedelta(**ago))
    with Keywright(site.texts["url"], pepper=PEPPER, clock=clock, **ENGINE) as kw:
        yield kw


def made(site: Site, org: str = "broker", **given: Any) -> str:
    return site.kw.org(org).keys.create(name="Broker", **given).api_key


def leads(site: Site, key: str, method: str = "GET") -> Answer:
    return site.ask(method, "/v1/leads", Authorization=f"Bearer {key}")


def refused(answer: Answer, status: int, code: str) -> str:
    shown = answer.json
    assert (answer.status, [it["code"] for it in shown["errors"]]) == (status, [code]), answer.body
    assert list(shown) == ["errors"], shown
    assert list(shown["errors"][0]) == ["code", "message"], shown
    return f"{status} {answer.body.decode()}"


def bearer(site: Site) -> tuple[str, str]:
    key = made(site)
    found = [leads(site, key).status, site.ask("GET", "/v1/leads", X_API_Key=key).status]
    assert found == [200, 401], found
    return "GET /v1/leads with Authorization: Bearer; with another header", "200; 401"


def format(site: Site) -> tuple[str, str]:
    keys = [made(site) for _ in range(20)]
    assert all(re.fullmatch(KEY, it) for it in keys), "another format"
    assert len({it.split("_")[1] for it in keys}) == 20, "a prefix twice"
    return "keys.create, 20 times", "lw_ and 10, then _ and 38 letters and digits; each prefix once"


def lookup(site: Site) -> tuple[str, str]:
    new = site.kw.org("broker").keys.create(name="Found")
    found = site.kw.org("broker").keys.find(new.prefix)
    assert found is not None
    assert (found.id, new.api_key.startswith(new.prefix + "_")) == (new.id, True), found
    assert new.api_key not in repr(found), "the secret is shown"
    return "keys.find with the prefix", "its key, without the secret"


def hashed(site: Site) -> tuple[str, str]:
    key = made(site)
    secret = key.rpartition("_")[2][:-6].encode()
    path = site.texts["url"].removeprefix("sqlite:")
    rows = sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("SELECT verifier FROM secrets").fetchall()
    assert rows
    assert all(it[0].startswith("$hmac-sha256$") for it in rows), rows[0]
    for name in (path, f"{path}-wal"):
        with open(name, "rb") as file:  # noqa: PTH123 - closing another descriptor of SQLite's would drop its locks elsewhere
            assert secret not in file.read(), "the secret is in the file"
    return "the database, byte by byte", "a hash (HMAC-SHA-256 where the document has bcrypt), nowhere the secret"


def level(site: Site, name: str, allowed: list[str]) -> tuple[str, str]:
    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    key = made(site, level=name)
    found = [it for it in methods if leads(site, key, it).status == 200]
    assert found == allowed, found
    return f"{', '.join(methods)} /v1/leads with level {name}", f"200 for {', '.join(found)}"


def level_read(site: Site) -> tuple[str, str]:
    return level(site, "read", ["GET"])


def level_read_write(site: Site) -> tuple[str, str]:
    return level(site, "read_write", ["GET", "POST", "PATCH", "PUT"])


def level_full(site: Site) -> tuple[str, str]:
    return level(site, "full", ["GET", "POST", "PATCH", "PUT", "DELETE"])


def disallowed(site: Site) -> tuple[str, str]:
    site.answer = leads(site, made(site, level="read"), "POST")
    return "POST /v1/leads with level read", refused(site.answer, 403, "FORBIDDEN")


def tier(site: Site, name: str) -> tuple[str, str]:
    answer = leads(site, made(site, tier=name))
    told = answer.headers["ratelimit-policy"]
    assert told == f'"{name}";q={TIERS[name]};w=60', told
    return f"GET /v1/leads with tier {name}", f"RateLimit-Policy: {told}"


def tier_basic(site: Site) -> tuple[str, str]:
    key = made(site, tier="basic")
    answers = [leads(site, key) for _ in range(100)]
    assert [it.status for it in answers] == [200] * 100, "less than 100"
    over = answers[-1]
    # The rate lets one more in every 600 ms.
    while over.status == 200:
        over = leads(site, key)
    assert int(over.headers["retry-after"]) >= 1, over.headers
    return "GET /v1/leads with tier basic, until it is refused", f"200, 100 times and more; then {refused(over, 429, 'RATE_LIMITED')}"


def tier_standard(site: Site) -> tuple[str, str]:
    return tier(site, "standard")


def tier_premium(site: Site) -> tuple[str, str]:
    return tier(site, "premium")


def limit_headers(site: Site) -> tuple[str, str]:
    told = leads(site, made(site, tier="basic")).headers["ratelimit"]
    assert re.fullmatch(r'"basic";r=99;t=\d+', told), told
    return "GET /v1/leads with tier basic", f"RateLimit: {told}"


def rotation(site: Site) -> tuple[str, str]:
    keys = site.kw.org("broker").keys
    old = keys.create(name="Turned")
    new = keys.rotate(old.id)
    answers = [leads(site, it.api_key) for it in (new, old)]
    assert [it.status for it in answers] == [200, 200], answers
    assert new.api_key != old.api_key, "the same text"
    assert [it.headers.get("x-api-key-deprecated") for it in answers] == [None, "true"], answers
    ends = datetime.fromisoformat(answers[1].headers["x-api-key-grace-period-ends"].replace("Z", "+00:00"))
    assert timedelta(hours=23, minutes=59) < ends - datetime.now(timezone.utc) <= timedelta(hours=24), ends
    return "keys.rotate; GET /v1/leads with both", "200; 200, for 24 hours"


def grace_chosen(site: Site) -> tuple[str, str]:
    keys = site.kw.org("broker").keys
    old = keys.create(name="Turned")
    keys.rotate(old.id, grace="2h")
    told = leads(site, old.api_key).headers["x-api-key-grace-period-ends"]
    ends = datetime.fromisoformat(told.replace("Z", "+00:00")) - datetime.now(timezone.utc)
    assert timedelta(hours=1, minutes=59) < ends <= timedelta(hours=2), ends
    assert site.kw.org("broker").keys.rotate(keys.create(name="Turned").id).secrets[1].grace_ends_at is not None
    return "keys.rotate with grace 2h, and without", "two hours; 24"


def grace_over(site: Site) -> tuple[str, str]:
    with earlier(site, hours=25) as kw:
        old = kw.org("broker").keys.create(name="Turned")
        new = kw.org("broker").keys.rotate(old.id)
    assert leads(site, new.api_key).status == 200
    return "keys.rotate 25 hours ago; GET /v1/leads with the old key", refused(leads(site, old.api_key), 401, "API_KEY_REVOKED")


def deprecated(site: Site) -> tuple[str, str]:
    keys = site.kw.org("broker").keys
    old = keys.create(name="Turned")
    keys.rotate(old.id)
    headers = leads(site, old.api_key).headers
    assert headers["x-api-key-deprecated"] == "true", headers
    ends = headers["x-api-key-grace-period-ends"]
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", ends), ends
    return "GET /v1/leads with the old key", f"X-Api-Key-Deprecated: true, X-Api-Key-Grace-Period-Ends: {ends}"


def one_org(site: Site) -> tuple[str, str]:
    keys = {org: made(site, org) for org in ("broker", "lender")}
    found = {org: leads(site, key).json["org"] for org, key in keys.items()}
    assert found == {"broker": "broker", "lender": "lender"}, found
    forged = site.ask("GET", "/v1/leads?orgId=lender", Authorization=f"Bearer {keys['broker']}", X_Org_Id="lender").json
    assert forged == {"org": "broker"}, forged
    return "GET /v1/leads with keys of two orgs; with another orgId beside", "each its own; its own"


def required(site: Site) -> tuple[str, str]:
    return "GET /v1/leads without", refused(site.ask("GET", "/v1/leads"), 401, "API_KEY_REQUIRED")


def invalid(site: Site) -> tuple[str, str]:
    key = made(site)
    other = made(site)
    lines = [leads(site, it) for it in ("lw_live_xxxxxxxxxxxxxxxx", f"{key[:14]}{other[14:]}")]
    return "GET /v1/leads with an unknown key, and with another's secret", {refused(it, 401, "INVALID_API_KEY") for it in lines}.pop()


def past_grace(site: Site) -> tuple[str, str]:
    new = site.kw.org("broker").keys.create(name="Gone")
    site.kw.org("broker").keys.revoke(new.id)
    return "keys.revoke; GET /v1/leads", refused(leads(site, new.api_key), 401, "API_KEY_REVOKED")


def expired(site: Site) -> tuple[str, str]:
    with earlier(site, days=2) as kw:
        key = kw.org("broker").keys.create(name="Over", expires_in_days=1).api_key
    return "a key that expired; GET /v1/leads", refused(leads(site, key), 401, "API_KEY_EXPIRED")


def request_id(site: Site) -> tuple[str, str]:
    answers = [leads(site, made(site)), leads(site, "nonsense"), site.ask("GET", "/nowhere", Authorization=f"Bearer {made(site)}")]
    found = [it.headers.get("x-request-id") for it in answers]
    assert all(it and re.fullmatch(UUID, it) for it in found), found
    assert len(set(found)) == 3, found
    return "GET /v1/leads, let in and refused, and a path that is none", f"X-Request-Id: {found[0]}, another each time"


def own_request_id(site: Site) -> tuple[str, str]:
    answer = site.ask("GET", "/v1/leads", Authorization=f"Bearer {made(site)}", X_Request_Id="550e8400-e29b-41d4-a716-446655440000")
    assert answer.headers["x-request-id"] == "550e8400-e29b-41d4-a716-446655440000", answer.headers
    return "GET /v1/leads with X-Request-Id", "the same X-Request-Id"


def allow_list(site: Site) -> tuple[str, str]:
    far, near = made(site, "listed"), made(site)
    site.kw.orgs.update("listed", networks=["203.0.113.0/24"])
    assert leads(site, near).status == 200
    return "orgs.update with networks; GET /v1/leads from elsewhere", refused(leads(site, far), 403, "IP_NOT_ALLOWED")


def separate(site: Site) -> tuple[str, str]:
    keys = [made(site), made(site)]
    site.kw.org("broker").keys.revoke(site.kw.org("broker").keys.find(keys[0][:13]).id)
    found = [leads(site, it).status for it in keys]
    assert found == [401, 200], found
    return "two keys, of which one is revoked", "401; 200"
