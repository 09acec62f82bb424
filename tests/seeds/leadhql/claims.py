"""The claims of the document of LeadHQL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from check import HERE, TIME, UUID, Site, running

FORMAT = "leadhql_pk_{lookup:12}{secret:32}{checksum:6}"
SESSION_KEY = "a secret of these sessions, longer than 32 bytes"
KEY = "leadhql_pk_[0-9A-Za-z]{50}"
EXAMPLE = "leadhql_pk_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"
EXAMPLES = {
    EXAMPLE: KEY,
    "a1b2c3d4-...": UUID,
    "2026-03-01T12:00:00.000Z": TIME,
    "2026-03-05T09:15:00.000Z": TIME,
    "2026-05-30T12:00:00.000Z": TIME,
    "247": r"\d+",
}


def token(org: str) -> str:
    """A session token of the dashboard."""
    parts = [{"alg": "HS256", "typ": "JWT"}, {"sub": "alice", "org": org, "exp": int(time.time()) + 600}]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(it).encode()).rstrip(b"=").decode() for it in parts)
    seal = hmac.new(SESSION_KEY.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


@contextmanager
def started(url: str) -> Iterator[Site]:
    """The example."""
    with running(["node", str(HERE / "leadhql" / "app.mjs"), SESSION_KEY], url, key_format=FORMAT) as site:
        site.texts["<jwt-session-token>"] = token("acme")
        yield site


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def session(site: Site) -> dict[str, str]:
    return bearer(site.texts["<jwt-session-token>"])


def made(site: Site, **body: Any) -> dict[str, Any]:
    answer = site.ask("POST", "/api-keys", json.dumps({"name": "one", **body}), Content_Type="application/json", **session(site))
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def scoped(site: Site) -> tuple[str, str]:
    key = made(site)["key"]
    found = [site.ask("GET", path, **bearer(key)).json["org"] for path in ("/agents", "/search")]
    other = site.ask("GET", "/api-keys", **bearer(token("umbrella"))).json
    assert (found, other) == (["acme", "acme"], []), (found, other)
    return "GET /agents, /search with a key of acme; /api-keys with a session of another org", "acme; none"


def prefix(site: Site) -> tuple[str, str]:
    key = made(site)["key"]
    assert re.fullmatch(KEY, key), "another format"
    assert made(site)["key"] != key, "twice the same"
    return "POST /api-keys, twice", "leadhql_pk_ and 50 letters and digits, other ones each time"


def wants_name(site: Site) -> tuple[str, str]:
    answer = site.ask("POST", "/api-keys", '{"expiresInDays": 90}', Content_Type="application/json", **session(site))
    assert (answer.status, answer.json["detail"].split(":")[0]) == (400, "name"), answer.body
    never = made(site)
    assert never["expiresAt"] is None, never
    return "POST /api-keys without name; without expiresInDays", "400 name; expiresAt null"


def remembered(site: Site) -> tuple[str, str]:
    site.texts[EXAMPLE] = site.answer.json["key"]
    site.texts["a1b2c3d4-..."] = site.answer.json["id"]
    listed = site.ask("GET", "/api-keys", **session(site))
    alone = site.ask("GET", f"/api-keys/{site.texts['a1b2c3d4-...']}", **session(site))
    for answer in (listed, alone):
        assert answer.status == 200, answer.body
        assert site.texts[EXAMPLE].encode() not in answer.body, "the key is shown again"
    return "GET /api-keys, /api-keys/:id", "200, without the key"


def metadata_only(site: Site) -> tuple[str, str]:
    # The document lists one key, so the others are revoked.
    for key in site.kw.org("acme").keys.list():
        if key.id != site.texts["a1b2c3d4-..."]:
            site.kw.org("acme").keys.revoke(key.id)
    # Counts are written each second; the list adds those that this process has not written yet.
    site.kw.flush()
    answer = site.ask("GET", "/api-keys", **session(site))
    assert "key" not in answer.json[0], answer.body
    return "GET /api-keys", f"{len(answer.json)} key, without its text"


def tracks(site: Site) -> tuple[str, str]:
    one = made(site)
    for _ in range(3):
        assert site.ask("GET", "/agents", **bearer(one["key"])).status == 200
    found = next(it for it in site.ask("GET", "/api-keys", **session(site)).json if it["id"] == one["id"])
    assert found["usageCount"] == 3, found
    assert re.fullmatch(TIME, found["lastUsedAt"]), found
    return "three requests with a key; GET /api-keys", "usageCount 3, lastUsedAt"


def revoked(site: Site) -> tuple[str, str]:
    one = made(site)
    assert site.ask("GET", "/agents", **bearer(one["key"])).status == 200
    assert site.ask("DELETE", f"/api-keys/{one['id']}", **session(site)).body == b'{"success":true}'
    answer = site.ask("GET", "/agents", **bearer(one["key"]))
    assert (answer.status, answer.json["code"]) == (401, "API_KEY_REVOKED"), answer.body
    back = site.ask("POST", f"/api-keys/{one['id']}/enable", **session(site))
    assert back.status == 409, back.body
    return "DELETE /api-keys/:id; GET /agents with its key; POST /api-keys/:id/enable", "success; 401 API_KEY_REVOKED; 409"


def expires(site: Site) -> tuple[str, str]:
    one = made(site, expiresInDays=90)
    days = site.kw.org("acme").keys.get(one["id"])
    assert days.expires_at is not None
    assert (days.expires_at - days.created_at).days == 90, days
    return "POST /api-keys with expiresInDays 90", "90 days"


def authorized(site: Site) -> tuple[str, str]:
    key = made(site)["key"]
    found = [site.ask("GET", "/agents", **it).status for it in (bearer(key), {"X_API_Key": key}, {})]
    assert found == [200, 401, 401], found
    return "GET /agents with the key in Authorization, in another header, without", "200; 401; 401"


def rotated(site: Site) -> tuple[str, str]:
    old, new = made(site), made(site)
    assert site.ask("DELETE", f"/api-keys/{old['id']}", **session(site)).status == 200
    found = [site.ask("GET", "/agents", **bearer(it["key"])).status for it in (old, new)]
    assert found == [401, 200], found
    return "POST, then DELETE /api-keys/:id of the old; GET /agents with both", "401; 200"


def session_only(site: Site) -> tuple[str, str]:
    one = made(site)
    asked = [("POST", "/api-keys", '{"name": "x"}'), ("GET", "/api-keys", None), ("DELETE", f"/api-keys/{one['id']}", None)]
    found = [site.ask(*it, Content_Type="application/json", **bearer(one["key"])).status for it in asked]
    assert found == [403, 403, 403], found
    return "POST, GET, DELETE /api-keys with a key", "403; 403; 403"


def either(site: Site) -> tuple[str, str]:
    key = made(site)["key"]
    paths = ("/properties/stats/counts", "/agents", "/search")
    found = [site.ask("GET", path, **it).status for path in paths for it in (bearer(key), session(site))]
    assert found == [200] * 6, found
    return "GET /properties/stats/counts, /agents, /search with a key, with a session", "200, each"
