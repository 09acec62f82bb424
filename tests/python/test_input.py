"""Python values are read by their exact meaning, or refused."""

from __future__ import annotations

import enum
from array import array
from collections import OrderedDict, UserDict, UserList, deque
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import pytest

from keywright import InvalidRequest, Keywright, KeywrightError, NewKey, ValidationFailed
from keywright.testing import ManualClock


class Point(NamedTuple):
    x: int
    y: int


class Scope(str, enum.Enum):
    READ = "deals:read"

    def __str__(self) -> str:
        return "not the text"


class Number:
    """As numpy's integers are."""

    def __index__(self) -> int:
        return 30


class Days(enum.IntEnum):
    MONTH = 30


def test_a_subclass_of_str_is_read_by_its_text(kw: Keywright) -> None:
    class Name(str):
        def __str__(self) -> str:
            return "other"

    new = kw.keys.create(name=Name("CI"), scopes=Scope.READ)
    assert (new.name, new.scopes) == ("CI", ["deals:read"])
    assert kw.verify(Name(new.api_key), scopes=Scope.READ)


@pytest.mark.parametrize("days", [30, Number(), Days.MONTH])
def test_integers_by_index(kw: Keywright, clock: ManualClock, days: Any) -> None:
    assert kw.keys.create(name="CI", expires_in_days=days).expires_at == clock.now() + timedelta(days=30)


@pytest.mark.parametrize("days", [True, False, 30.0, 1.5, "30", float("nan"), float("inf"), 0, -1, 2**53, 10**50, [30], int, object()])
def test_other_things_are_no_days(kw: Keywright, days: Any) -> None:
    before = kw.audit.head()
    with pytest.raises(KeywrightError) as caught:
        kw.keys.create(name="CI", expires_in_days=days)
    assert caught.value.field == "expires_in_days"
    assert kw.audit.head() == before


@pytest.mark.parametrize(
    "scopes",
    [
        "deals:write,deals:read",
        ["deals:read", "deals:write"],
        ("deals:read", "deals:write"),
        {"deals:read", "deals:write"},
        frozenset({"deals:read", "deals:write"}),
        {"deals:read": 1, "deals:write": 2}.keys(),
        UserList(["deals:read", "deals:write"]),
        deque(["deals:read", "deals:write"]),
    ],
)
def test_lists_of_every_kind(kw: Keywright, scopes: Any) -> None:
    assert kw.keys.create(name="CI", scopes=scopes).scopes == ["deals:read", "deals:write"]


@pytest.mark.parametrize(
    "scopes", [iter(["deals:read"]), (it for it in ["deals:read"]), b"deals:read", 7, True, object(), [7], [None], [b"x"]]
)
def test_no_lists_of_scopes(kw: Keywright, scopes: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        kw.keys.create(name="CI", scopes=scopes)
    assert caught.value.field == "scopes"


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": [1, 2.5, None, True, "x"], "b": {"c": -1}},
        OrderedDict({"a": [1, 2.5, None, True, "x"], "b": {"c": -1}}),
        UserDict({"a": (1, 2.5, None, True, "x"), "b": {"c": -1}}),
        MappingProxyType({"a": [1, 2.5, None, True, "x"], "b": OrderedDict(c=-1)}),
    ],
)
def test_mappings_of_every_kind(kw: Keywright, metadata: Any) -> None:
    assert kw.keys.create(name="CI", metadata=metadata).metadata == {"a": [1, 2.5, None, True, "x"], "b": {"c": -1}}


def selves() -> list[Any]:
    endless: list[Any] = []
    endless += [endless, endless]
    circle: dict[str, Any] = {}
    circle["a"] = {"b": circle}
    return [endless, circle]


@pytest.mark.parametrize(
    "metadata",
    [
        *selves(),
        {1: "x"},
        {None: "x"},
        {"a": {("b",): 1}},
        {"a": object()},
        {"a": b"x"},
        {"a": datetime.now(timezone.utc)},
        {"a": float("nan")},
        {"a": 2**60},
        {"a": 10**50},
        {"a": {"x"}},
        {"a": frozenset({"x"})},
        {"a": [{"b": {"x": 1}.keys()}]},
        {"a": {"x": 1}.items()},
        {"a": range(3)},
        {"a": deque([1])},
        {"a": UserList([1])},
        {"a": memoryview(b"x")},
        {"a": array("i", [1])},
        {"a": Point(1, 2)},
        {"\ud800": 1},
        {"a": "\ud800"},
        ["a"],
        "a",
        7,
        object(),
    ],
    ids=repr,
)
def test_no_metadata(kw: Keywright, metadata: Any) -> None:
    before = kw.audit.head()
    with pytest.raises((InvalidRequest, ValidationFailed)) as caught:
        kw.keys.create(name="CI", metadata=metadata)
    assert caught.value.field == "metadata"
    assert kw.audit.head() == before


def test_errors_of_the_callers_own_objects_come_through(kw: Keywright) -> None:
    class Broken:
        def __index__(self) -> int:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        kw.keys.create(name="CI", expires_in_days=Broken())  # type: ignore[arg-type]


@pytest.mark.parametrize("hours", [-12, -5.5, 0, 5.75, 14])
def test_aware_times_of_every_offset(kw: Keywright, hours: float) -> None:
    offset = timezone(timedelta(hours=hours))
    at = datetime(2027, 3, 28, 2, 30, 0, 999_999, tzinfo=offset)
    expires_at = kw.keys.create(name="CI", expires_at=at).expires_at
    assert expires_at == at.replace(microsecond=999_000)
    assert expires_at is not None
    assert expires_at.tzinfo is timezone.utc


@pytest.mark.parametrize(
    "at",
    [
        datetime(2030, 1, 1),
        datetime.max,
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=12))),
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        datetime(2030, 1, 1, tzinfo=timezone.utc).date(),
        "2030-01-01T00:00:00Z",
        1893456000,
    ],
    ids=repr,
)
def test_no_times(kw: Keywright, at: Any) -> None:
    with pytest.raises(KeywrightError) as caught:
        kw.keys.create(name="CI", expires_at=at)
    assert caught.value.field == "expires_at"


@pytest.mark.parametrize("grace", ["24h", "1d", "1440m", "86400s", timedelta(days=1), timedelta(days=1, milliseconds=9)])
def test_grace(kw: Keywright, clock: ManualClock, grace: Any) -> None:
    new = kw.keys.create(name="CI")
    former = kw.keys.rotate(new.id, grace=grace).secrets[1]
    assert former.grace_ends_at == clock.now() + timedelta(days=1)


@pytest.mark.parametrize("surrogates", ["\ud800", "a\udfffb"])
def test_lone_surrogates(kw: Keywright, surrogates: str) -> None:
    new = kw.keys.create(name="CI")
    for call in (
        lambda: kw.keys.create(name=surrogates),
        lambda: kw.keys.update(new.id, name=surrogates),
        lambda: kw.keys.revoke(new.id, reason=surrogates),
        lambda: kw.keys.create(name="x", scopes=[surrogates]),
        lambda: kw.keys.get(surrogates),
        lambda: kw.org(surrogates),
        lambda: kw.keys.list(cursor=surrogates),
    ):
        with pytest.raises(KeywrightError):
            call()
    assert kw.verify(surrogates).code == "invalid"
    assert kw.verify(new.api_key[:-1] + surrogates).code == "invalid"
    with pytest.raises(InvalidRequest):
        kw.keys.create(**{surrogates: 1})  # type: ignore[arg-type]


def twins(text: str) -> list[Any]:
    wide = "".join(chr(ord(it) + 0xFEE0) if it.isalnum() else it for it in text)
    return [
        "",
        b"",
        "x",
        text[:-1],
        text + "0",
        f" {text}",
        f"{text}\n",
        f"{text}\0",
        text.upper(),
        text.swapcase(),
        text.replace("_live_", "_test_"),
        wide,
        text.encode() + b"\xff",
        b"\xff\xfe",
        "\U0001f511" * 60,
        "x" * 1_000_000,
        b"x" * 1_000_000,
        bytearray(b"liq_live_"),
    ]


def test_texts_are_judged_and_never_raise(kw: Keywright) -> None:
    new = kw.keys.create(name="CI")
    for given in (new.api_key, new.api_key.encode(), bytearray(new.api_key.encode())):
        assert kw.verify(given)
    for bad in twins(new.api_key):
        assert kw.verify(bad).code == "invalid", bad[:80]
    assert kw.verify(None).code == "missing"


def test_every_single_change_is_invalid(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key
    for index, was in enumerate(text):
        for to in "0aZ_-é":
            if to != was:
                assert kw.verify(text[:index] + to + text[index + 1 :]).code == "invalid"


@pytest.mark.parametrize("text", [7, True, 1.5, ["x"], {}, object(), int])
def test_what_is_no_text_is_misuse(kw: Keywright, text: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        kw.verify(text)
    assert caught.value.field == "api_key"


def test_omitted_and_none(kw: Keywright) -> None:
    new: NewKey = kw.keys.create(name="CI", scopes=None, level=None, expires_in_days=None, metadata=None, environment=None)
    assert (new.scopes, new.level, new.expires_at, new.metadata) == ([], None, None, {})
    kw.keys.update(new.id, level="read", networks=["10.0.0.0/8"], metadata={"a": 1})
    key = kw.keys.update(new.id, name="other")
    assert (key.level, key.networks, key.metadata) == ("read", ["10.0.0.0/8"], {"a": 1})
    key = kw.keys.update(new.id, level=None, networks=None, metadata=None)
    assert (key.level, key.networks, key.metadata) == (None, None, {})
    assert kw.keys.update(new.id, networks=[]).networks == []


def test_integer_ids(tmp_path: Any) -> None:
    with Keywright(f"sqlite:{tmp_path / 'keys.db'}", brand="liq", id_style="integer", pepper="p" * 32) as kw:
        new = kw.keys.create(name="CI")
        assert isinstance(new.id, int)
        assert 0 < new.id < 2**53
        assert kw.keys.get(new.id) == kw.keys.get(str(new.id)) == kw.keys.find(new.prefix)
        for bad in (True, -1, 1.5, 2**53, 10**40, None, b"1"):
            with pytest.raises(KeywrightError):
                kw.keys.get(bad)  # type: ignore[arg-type]
        assert kw.keys.revoke(str(new.id)).status == "revoked"


def test_structures_larger_than_any_memory_are_refused_soon(kw: Keywright) -> None:
    doubled: list[Any] = ["a"]
    for _ in range(40):
        doubled = [doubled, doubled]
    with pytest.raises(ValidationFailed, match="metadata"):
        kw.keys.create(name="CI", metadata={"a": doubled})


def test_a_boolean_in_an_index_is_no_integer(kw: Keywright) -> None:
    class Sly:
        def __index__(self) -> bool:
            return True  # noqa: PLE0305 - it lies

    with pytest.raises(InvalidRequest, match="limit"):
        kw.keys.list(limit=cast("int", Sly()))
