"""Exceptions: their tree, their codes, and words that help."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

import keywright
from keywright import Closed, Denied, InvalidRequest, Keywright, KeywrightError, NotFound, ValidationFailed, errors
from records import uncounted
from texts import mistyped


def test_the_tree() -> None:
    tree = {
        InvalidRequest: TypeError,
        ValidationFailed: ValueError,
        NotFound: LookupError,
        Denied: KeywrightError,
        Closed: KeywrightError,
    }
    for cls, base in tree.items():
        assert issubclass(cls, KeywrightError)
        assert issubclass(cls, base)
    assert {getattr(keywright, it) for it in errors.__all__} == {KeywrightError, Denied, *errors.BY_CODE.values()}


def test_words_name_field_reason_and_fix(kw: Keywright) -> None:
    with pytest.raises(InvalidRequest, match=r"^nmae: .*; did you mean name\?$") as caught:
        kw.keys.create(nmae="CI")  # type: ignore[call-arg]
    assert (caught.value.code, caught.value.field, caught.value.status) == ("invalid_request", "nmae", 400)
    with pytest.raises(InvalidRequest) as missing:
        kw.keys.create()  # type: ignore[call-arg]
    assert missing.value.field == "name"
    with pytest.raises(ValidationFailed) as empty:
        kw.keys.create(name="")
    assert (empty.value.field, empty.value.status) == ("name", 400)
    with pytest.raises(NotFound) as unknown:
        kw.keys.get("nobody")
    assert (unknown.value.code, unknown.value.status) == ("not_found", 404)
    with pytest.raises(InvalidRequest, match=r"did you mean brand\?"):
        Keywright("sqlite:x.db", brnad="liq")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        kw.keys.create("CI")  # type: ignore[call-arg]


def test_denied_has_the_decision(kw: Keywright) -> None:
    new = kw.keys.create(name="CI", scopes="deals:read")
    key = kw.authenticate(new.api_key, scopes="deals:read")
    assert uncounted(key) == uncounted(kw.keys.get(new.id))
    with pytest.raises(Denied) as caught:
        kw.authenticate(new.api_key, scopes="deals:write")
    denied = caught.value
    assert (denied.code, denied.status, denied.field) == ("insufficient_scope", 403, None)
    assert denied.decision == kw.verify(new.api_key, scopes="deals:write")
    assert denied.decision.missing_scopes == ["deals:write"]
    assert str(denied) == denied.decision.message
    for text, code in [(None, "missing"), ("", "invalid"), ("x", "invalid")]:
        with pytest.raises(Denied) as refused:
            kw.authenticate(text)
        assert (refused.value.code, refused.value.status) == (code, 401)


def test_misuse_is_raised_by_verify_too(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    refused: list[str | list[str]] = ["", [], "Deals:Read", "*"]
    for bad in refused:
        with pytest.raises(ValidationFailed) as caught:
            kw.verify(new.api_key, scopes=bad)
        assert caught.value.field == "scopes"


def test_errors_travel(kw: Keywright) -> None:
    with pytest.raises(NotFound) as unknown:
        kw.keys.get("nobody")
    with pytest.raises(Denied) as refused:
        kw.authenticate("x")
    for error in (unknown.value, refused.value):
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(twin) is type(error)
            assert (str(twin), twin.code, twin.status, twin.field) == (str(error), error.code, error.status, error.field)
    assert pickle.loads(pickle.dumps(refused.value)).decision == refused.value.decision


def test_no_error_shows_a_key(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    secret = new.api_key.removeprefix(new.prefix)
    calls: list[Callable[[], object]] = [
        lambda: kw.keys.get(new.api_key),
        lambda: kw.keys.find(new.api_key),
        lambda: kw.keys.create(name=new.api_key),
        lambda: kw.keys.create(name="x", scopes=new.api_key),
        lambda: kw.keys.revoke(new.id, reason=f"leaked: {new.api_key}"),
        lambda: kw.keys.list(cursor=new.api_key),
        lambda: kw.authenticate(mistyped(new.api_key)),
    ]
    for call in calls:
        with pytest.raises(KeywrightError) as caught:
            call()
        assert secret not in str(caught.value) + repr(caught.value)
