"""Records: frozen, compared by value, and silent about the text of a key."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import keywright
from keywright import Conflict, Decision, Key, Keywright, NewKey
from keywright._native import _unpickle
from keywright.testing import ManualClock
from records import uncounted

HIDDEN = "<hidden: send new.reveal() once>"
PLAIN_KEY = {
    "org": "default",
    "environment": "live",
    "name": "CI",
    "status": "active",
    "scopes": ["deals:read"],
    "level": "read",
    "tier": None,
    "limits": [],
    "quotas": [],
    "networks": ["10.0.0.0/8"],
    "metadata": {"team": {"size": 3}},
    "created_at": "2026-01-01T00:00:00.000Z",
    "created_by": "ann",
    "updated_at": "2026-01-01T00:00:00.000Z",
    "expires_at": "2026-01-31T00:00:00.000Z",
    "disabled_at": None,
    "revoked_at": None,
    "reason": None,
    "last_used_at": None,
    "usage_count": 0,
    "denied_count": 0,
}


@pytest.fixture
def new(kw: Keywright) -> NewKey:
    return kw.keys.create(
        name="CI",
        scopes="deals:read",
        level="read",
        networks=["10.0.0.0/8"],
        metadata={"team": {"size": 3}},
        expires_in_days=30,
        created_by="ann",
    )


def test_plain_data(kw: Keywright, new: NewKey) -> None:
    secret = {"prefix": new.prefix, "created_at": "2026-01-01T00:00:00.000Z", "grace_ends_at": None, "last_used_at": None}
    plain = PLAIN_KEY | {"id": new.id, "prefix": new.prefix, "secrets": [secret]}
    found = kw.keys.get(new.id).to_dict()
    assert {name: found[name] for name in plain} == plain
    plain = found
    assert new.to_dict() == plain | {"api_key": HIDDEN}
    assert new.reveal() == plain | {"api_key": new.api_key}
    assert json.loads(json.dumps(new.to_dict()))["api_key"] == HIDDEN
    assert new.secrets[0].to_dict() == secret


def test_fields_are_pythons_own_types(new: NewKey) -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert new.created_at == start
    assert new.created_at.utcoffset() == timedelta(0)
    assert new.expires_at == start + timedelta(days=30)
    assert new.revoked_at is None
    assert (new.scopes, new.networks, new.metadata) == (["deals:read"], ["10.0.0.0/8"], {"team": {"size": 3}})
    assert (type(new.id), type(new.usage_count), new.level) == (str, int, "read")


def test_what_a_field_gives_is_the_callers_own(new: NewKey) -> None:
    new.scopes.append("deals:write")
    new.metadata["team"]["size"] = 4
    new.secrets.clear()
    assert (new.scopes, new.metadata, len(new.secrets)) == (["deals:read"], {"team": {"size": 3}}, 1)


def test_records_are_frozen(kw: Keywright, new: NewKey) -> None:
    decision = kw.verify(new.api_key)
    page = kw.keys.list()
    values: list[tuple[Any, str]] = [(new, "name"), (new, "api_key"), (new.secrets[0], "prefix"), (decision, "allowed"), (page, "data")]
    for record, field in values:
        with pytest.raises(AttributeError):
            setattr(record, field, "x")
        with pytest.raises(AttributeError):
            delattr(record, field)
        with pytest.raises(AttributeError):
            record.surplus = "x"
    for cls in (Key, NewKey, Decision, keywright.Secret, keywright.Page, keywright.OrgRecord):
        with pytest.raises(TypeError):
            cls()


def test_equality_and_hash_go_by_value(kw: Keywright, new: NewKey) -> None:
    key, again = kw.keys.get(new.id), kw.keys.get(new.id)
    assert key == again
    assert key is not again
    assert hash(key) == hash(again)
    assert {key, again} == {key}
    assert key != kw.keys.update(new.id, name="CI 2")
    assert key != new  # another record: it has a text
    assert key != "CI"
    assert new == copy.deepcopy(new)
    assert kw.keys.list() == kw.keys.list()
    assert kw.verify(new.api_key) == kw.verify(new.api_key)
    assert hash(kw.verify(new.api_key)) == hash(kw.verify(new.api_key))
    assert kw.verify(new.api_key) != kw.verify("x")
    assert kw.audit.head() == kw.audit.head()
    assert kw.orgs.get("default") == kw.orgs.get("default")
    assert kw.parse(new.api_key) == kw.parse(new.api_key)
    with pytest.raises(TypeError):
        _ = key < again  # type: ignore[operator]


def test_nothing_shows_the_text_but_api_key_and_reveal(kw: Keywright, new: NewKey) -> None:
    secret = new.api_key.removeprefix(new.prefix)
    shown = [
        repr(new),
        str(new),
        f"{new}",
        f"{[new]}",
        json.dumps(new.to_dict()),
        pickle.dumps(new).decode("latin-1"),
        repr(kw.verify(new.api_key)),
        pickle.dumps(kw.verify(new.api_key)).decode("latin-1"),
    ]
    for text in shown:
        assert secret not in text
        assert new.prefix in text
    assert all(HIDDEN in it for it in shown[:5])
    for dump in (vars, dataclasses.asdict):
        with pytest.raises(TypeError):
            dump(new)  # type: ignore[call-overload]
    assert not hasattr(new, "__dict__")
    with pytest.raises(TypeError):
        json.dumps(new)


def test_pickle_leaves_the_text_behind(new: NewKey) -> None:
    unpickled = pickle.loads(pickle.dumps(new))
    assert (type(unpickled), unpickled.api_key, unpickled.id, unpickled.metadata) == (NewKey, HIDDEN, new.id, new.metadata)
    assert unpickled.to_dict() == new.to_dict()
    assert unpickled != new
    with pytest.raises(Conflict, match="rotate the key"):
        unpickled.reveal()


def test_copies_of_the_immutable_are_itself(new: NewKey) -> None:
    assert copy.copy(new) is new
    assert copy.deepcopy({"new": new})["new"] is new


def test_every_record_survives_pickle(kw: Keywright, clock: ManualClock, new: NewKey) -> None:
    clock.advance(1)
    kw.keys.rotate(new.id, grace="1h")
    records = [
        kw.keys.get(new.id),
        kw.keys.get(new.id).secrets[1],
        kw.verify(new.api_key, ip="10.0.0.1", method="GET"),
        kw.verify(new.api_key, ip="11.0.0.1"),
        kw.verify("x"),
        kw.orgs.get("default"),
        kw.audit.list().data[0],
        kw.audit.head(),
        kw.audit.verify(),
        kw.parse(new.api_key),
    ]
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        for record in records:
            unpickled = pickle.loads(pickle.dumps(record, protocol))
            assert (unpickled, hash(unpickled), repr(unpickled)) == (record, hash(record), repr(record))
            assert type(unpickled) is type(record)


def test_repr_names_class_and_fields(kw: Keywright, new: NewKey) -> None:
    assert repr(new).startswith(f"NewKey(id={new.id!r}, name='CI', ")
    assert repr(kw.keys.get(new.id)).startswith("Key(id=")
    assert repr(kw.audit.head()) == f"AuditHead(seq={kw.audit.head().seq}, hash={kw.audit.head().hash!r})"
    assert repr(kw.keys.list()).startswith("Page(data=[Key(id=")


def test_public_names(kw: Keywright) -> None:
    for name in keywright.__all__:
        if name[0].isupper():
            cls = getattr(keywright, name)
            assert cls.__module__.partition(".")[0] == "keywright"
            assert "_native" not in cls.__module__
            assert cls.__doc__
    assert keywright.__version__.count(".") == 2


def test_a_decision_is_true_when_allowed(kw: Keywright, clock: ManualClock, new: NewKey) -> None:
    allowed, denied = kw.verify(new.api_key, ip="10.1.1.1", method="GET"), kw.verify(new.api_key, ip="8.8.8.8")
    assert (bool(allowed), allowed.code, allowed.status, allowed.retry_after_seconds) == (True, None, 200, None)
    key = kw.keys.get(new.id)
    assert allowed.key is not None and denied.key is not None
    assert (key.usage_count, key.denied_count, uncounted(key)) == (1, 1, uncounted(allowed.key))
    assert allowed.key is allowed.key
    assert (bool(denied), denied.code, denied.status, denied.key) == (False, "ip_not_allowed", 403, allowed.key)
    assert kw.verify("x").key is None
    kw.keys.rotate(new.id, grace="1h")
    former = kw.verify(new.api_key, ip="10.1.1.1", method="GET")
    assert (former.deprecated, former.grace_ends_at) == (True, clock.now() + timedelta(hours=1))


def test_an_audit_check_is_true_when_the_chain_is_whole(kw: Keywright) -> None:
    whole = kw.audit.verify()
    assert (bool(whole), whole.ok) == (True, True)
    broken = _unpickle("AuditCheck", json.dumps(whole.to_dict() | {"ok": False, "problem": "entry 1 was changed"}))
    assert (bool(broken), broken.ok) == (False, False)


def test_a_key_holds_its_own_limits(kw: Keywright) -> None:
    plain = {"name": "import", "rate": 10, "burst": 2, "per": "key", "operation": "import"}
    plain |= {"exact": False, "when_unreachable": "local"}
    new = kw.keys.create(name="CI", limits=[{"name": "import", "rate": 10, "burst": 2, "operation": "import"}])
    (limit,) = new.limits
    assert type(limit) is keywright.Limit
    assert {it: getattr(limit, it) for it in plain} == limit.to_dict() == plain
    unpickled = pickle.loads(pickle.dumps(limit))
    assert (unpickled, hash(unpickled), repr(unpickled)) == (limit, hash(limit), repr(limit))
    again = kw.keys.update(new.id, limits=[it.to_dict() for it in new.limits])
    assert again.limits == new.limits
    assert pickle.loads(pickle.dumps(again)) == again


def test_a_key_holds_its_own_quotas(kw: Keywright) -> None:
    plain = {"name": "own", "amount": 2, "every": "month", "anchor": 31, "per": "key", "operation": None}
    new = kw.keys.create(name="CI", quotas={"own": {"amount": 2, "every": "month", "anchor": 31}, "credits": {"amount": 0}})
    quota = new.quotas[0]
    assert type(quota) is keywright.Quota
    assert {it: getattr(quota, it) for it in plain} == quota.to_dict() == plain
    assert pickle.loads(pickle.dumps(quota)) == quota
    again = kw.keys.update(new.id, quotas=[it.to_dict() for it in new.quotas])
    assert again.quotas == new.quotas


def test_a_decision_and_a_credit_hold_the_state_of_quotas(kw: Keywright, clock: ManualClock) -> None:
    new = kw.keys.create(name="CI", quotas={"own": {"amount": 2, "every": "day"}, "credits": {"amount": 0}})
    state = kw.keys.credit(new.id, 5, quota="credits", reason="invoice 7", actor="billing")
    assert type(state) is keywright.QuotaState
    assert (state.amount, state.used, state.remaining, state.every, state.resets_at) == (5, 0, 5, None, None)
    own, credits = kw.verify(new.api_key).quotas
    assert (own.name, own.used, own.remaining, own.every, credits.remaining) == ("own", 1, 1, "day", 4)
    assert own.starts_at is not None and own.resets_at is not None
    assert own.starts_at <= clock.now() < own.resets_at
    assert pickle.loads(pickle.dumps(own)) == own
    kw.verify(new.api_key)
    refused = kw.verify(new.api_key)
    assert (refused.code, refused.status, refused.retry_after_seconds) == ("quota_exceeded", 429, own.reset_seconds)


def test_a_decision_holds_the_state_of_limits(kw: Keywright) -> None:
    """No limit is judged yet, so that the plain form of one stands in."""
    state = {"name": "calls", "limit": 60, "remaining": 59, "reset_seconds": 1, "shared": True}
    decision = kw.verify("x")
    limited = _unpickle("Decision", json.dumps(decision.to_dict() | {"limits": [state]}))
    assert limited.to_dict() == decision.to_dict() | {"limits": [state]}
    (limit,) = limited.limits
    assert type(limit) is keywright.LimitState
    assert {it: getattr(limit, it) for it in state} == state
    unpickled = pickle.loads(pickle.dumps(limit))
    assert (unpickled, hash(unpickled), repr(unpickled)) == (limit, hash(limit), repr(limit))


def test_pages_walk_on(kw: Keywright, clock: ManualClock) -> None:
    ids: list[str | int] = []
    for _ in range(5):
        ids.insert(0, kw.keys.create(name="k").id)
        clock.advance(1)
    page = kw.keys.list(limit=2)
    assert [it.id for it in page.data] == ids[:2]
    assert page.has_more
    assert [it.id for it in page] == ids
    assert [it.id for it in page] == ids, "a page may be walked again"
    assert [it.id for it in kw.keys.list(limit=2, cursor=page.next_cursor).data] == ids[2:4]
    assert page.data is not page.data
    assert page.data[0] is page.data[0]
    assert page.to_dict() == {
        "data": [it.to_dict() for it in page.data],
        "has_more": True,
        "next_cursor": page.next_cursor,
    }
    assert [it.id for it in kw.orgs.list()] == ["default"]
    assert [it.seq for it in kw.audit.list(limit=2)] == [6, 5, 4, 3, 2, 1]
