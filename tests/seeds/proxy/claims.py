"""The claims of the document of Proxy."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from check import UUID, Answer, Site, running

ENGINE: dict[str, Any] = {
    "key_format": "lk_{env}_{lookup:12}_{secret:32}{checksum:6}",
    "environments": ["live", "dev"],
    "environment": "*",
    "limits": {
        name: {"rate": rate, "burst": burst, "per": "org", "operation": name}
        for name, rate, burst in (("read", 100, 20), ("write", 30, 10), ("card_creation", 10, 5))
    },
}
EXAMPLES: dict[str, str] = {}


@contextmanager
def started(url: str) -> Iterator[Site]:
    """The example."""
    with running([os.environ["PROXY_EXAMPLE"]], url, **ENGINE) as site:
        yield site


def made(site: Site, org: str, environment: str = "live") -> str:
    return site.kw.org(org).keys.create(name="Backend", environment=environment).api_key


def balance(site: Site, key: str, **headers: str) -> Answer:
    return site.ask("GET", "/balance", Api_Key=key, **headers)


def refused(answer: Answer, status: int, code: str) -> str:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    return f"{status} {code}"


def api_key_header(site: Site) -> tuple[str, str]:
    key = made(site, "header")
    found = [balance(site, key).status, site.ask("GET", "/balance", Authorization=f"Bearer {key}").status]
    assert found == [200, 401], found
    return "GET /balance with Api-Key; with another header", "200; 401"


def one_org(site: Site) -> tuple[str, str]:
    found = [balance(site, made(site, it)).json["org"] for it in ("one", "two")]
    assert found == ["one", "two"], found
    return "GET /balance with keys of two orgs", "each its own"


def environment(site: Site, name: str) -> tuple[str, str]:
    key = made(site, "envs", name)
    assert key.startswith(f"lk_{name}_"), "another prefix"
    found = balance(site, key).json["environment"]
    assert found == name, found
    other = {"dev": "live", "live": "dev"}[name]
    forged = balance(site, key.replace(f"lk_{name}_", f"lk_{other}_"))
    return f"GET /balance with lk_{name}_…; with lk_{other}_ in its place", f"200 {found}; {refused(forged, 401, 'INVALID_API_KEY')}"


def development(site: Site) -> tuple[str, str]:
    return environment(site, "dev")


def production(site: Site) -> tuple[str, str]:
    return environment(site, "live")


def missing(site: Site) -> tuple[str, str]:
    return "GET /balance without", refused(site.ask("GET", "/balance"), 401, "API_KEY_REQUIRED")


def invalid(site: Site) -> tuple[str, str]:
    return "GET /balance with an unknown key", refused(balance(site, "lk_live_nonsense"), 401, "INVALID_API_KEY")


# An org for each time, since limits are an org's.
orgs = (f"org-{it}" for it in count())


def spent(site: Site, method: str, path: str, burst: int) -> tuple[str, str]:
    org = next(orgs)
    keys = [made(site, org), made(site, org)]
    answers = [site.ask(method, path, Api_Key=keys[it % 2]) for it in range(burst)]
    assert [it.status for it in answers] == [200] * burst, [it.status for it in answers]
    told = answers[0].headers["ratelimit-policy"]
    over = answers[-1]
    # The rate lets another in now and then.
    while over.status == 200:
        over = site.ask(method, path, Api_Key=keys[0])
    refused(over, 429, "RATE_LIMITED")
    assert int(over.headers["retry-after"]) >= 1, over.headers
    assert site.ask(method, path, Api_Key=made(site, f"{org}-other")).status == 200, "another org pays for it"
    return f"{method} {path} with two keys of an org, until it is refused", f"200, {burst} times and more; 429; {told}"


def read(site: Site) -> tuple[str, str]:
    asked, told = spent(site, "GET", "/balance", 20)
    assert '"read";q=100;w=60' in told, told
    return asked, told


def write(site: Site) -> tuple[str, str]:
    asked, told = spent(site, "DELETE", "/balance", 10)
    assert '"write";q=30;w=60' in told, told
    for method, path in (("POST", "/transfers"), ("PATCH", "/balance")):
        over = site.ask(method, path, Api_Key=made(site, next(orgs)))
        assert '"write";r=9' in over.headers["ratelimit"], over.headers
    return asked, f"{told}; POST and PATCH alike"


def cards(site: Site) -> tuple[str, str]:
    asked, told = spent(site, "POST", "/cards", 5)
    assert '"card_creation";q=10;w=60' in told, told
    return asked, told


def retry_after(site: Site) -> tuple[str, str]:
    key, over = made(site, next(orgs)), Answer(200, {}, b"")
    while over.status == 200:
        over = site.ask("POST", "/cards", Api_Key=key)
    told = over.headers["retry-after"]
    assert re.fullmatch("[1-9][0-9]?", told), told
    return "POST /cards, until it is refused", f"429, Retry-After: {told}"


def request_id(site: Site) -> tuple[str, str]:
    answers = [balance(site, made(site, "ids")), balance(site, "nonsense")]
    for it in answers:
        assert re.fullmatch(UUID, it.headers["x-request-id"]), it.headers
        assert it.json["request_id"] == it.headers["x-request-id"], it.body
    return "GET /balance, let in and refused", "X-Request-Id, and the same in the body"


def once(site: Site) -> tuple[str, str]:
    key = made(site, "careful")
    send: Any = {"Api_Key": key, "Idempotency_Key": "order-1", "Content_Type": "application/json"}
    first, again = (site.ask("POST", "/transfers", json.dumps({"amount": 1}), **send) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body), again.body
    assert again.headers["idempotent-replayed"] == "true", again.headers
    other = site.ask("POST", "/transfers", json.dumps({"amount": 2}), **send)
    assert other.status == 422, other.body
    plain = [site.ask("POST", "/transfers", Api_Key=key).json["done"] for _ in range(2)]
    assert plain[0] < plain[1], plain
    return "POST /transfers twice with one Idempotency-Key; with another body; twice without", "once; 422; twice"


def for_agents(site: Site) -> tuple[str, str]:
    key = made(site, "agents")
    found = balance(site, key, X_Agent_Id="buyer-7").json
    assert (found["agent"], found["org"]) == ("buyer-7", "agents"), found
    alone = site.ask("GET", "/balance", X_Agent_Id="buyer-7")
    refused(alone, 401, "API_KEY_REQUIRED")
    return "GET /balance with the org's key for an agent; with the agent alone", "200, agent buyer-7; 401"


def attestation(site: Site) -> tuple[str, str]:
    org = site.kw.org("attesting")
    key = org.keys.create(name="Backend")
    org.keys.attest(key.id, agent="buyer-7", claims={"purpose": "travel"})
    entry = org.audit.list(agent="buyer-7").data[0]
    assert entry.details["claims"] == {"purpose": "travel"}, entry
    assert site.kw.audit.verify().ok, "the chain is broken"
    return "keys.attest; audit.list", f"{entry.action} of buyer-7, sealed in the chain"


def agents_are_no_principals(site: Site) -> tuple[str, str]:
    key = made(site, "logical")
    found = balance(site, key, X_Agent_Id="a b")
    assert found.status == 400, found.body
    return "GET /balance for what is no id of an agent", "400"


def created(site: Site) -> tuple[str, str]:
    new = site.kw.org("dashboard").keys.create(name="Named", expires_in_days=30)
    assert (new.name, new.expires_at is not None) == ("Named", True), new
    assert site.kw.org("dashboard").keys.create(name="For ever").expires_at is None
    assert new.api_key not in repr(site.kw.org("dashboard").keys.get(new.id)), "the key is shown again"
    return "keys.create with a name, with and without an expiry; keys.get", "its text once"


def revoked(site: Site) -> tuple[str, str]:
    keys = site.kw.org("leaving").keys
    new = keys.create(name="Gone")
    assert balance(site, new.api_key).status == 200
    keys.revoke(new.id)
    return "keys.revoke; GET /balance", refused(balance(site, new.api_key), 401, "API_KEY_REVOKED")


def one_host(site: Site) -> tuple[str, str]:
    found = [balance(site, made(site, "hosted", it)).json["environment"] for it in ("dev", "live")]
    assert found == ["dev", "live"], found
    return "GET /balance on one port with lk_dev_… and lk_live_…", "dev; live"
