"""Mocks and overrides in the tests of applications, and weak references to records."""

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import pytest
from fastapi import FastAPI, Security

import keywright
from keywright import AsyncKeywright, AsyncOrg, Key, Keywright, Org
from keywright.fastapi import install
from test_answers import records
from test_http import PEPPER, Connection


def test_records_and_handles_can_be_referenced_weakly(kw: Keywright, async_kw: AsyncKeywright) -> None:
    handles = [kw, kw.keys, kw.orgs, kw.audit, kw.org("acme"), kw.http(), async_kw, async_kw.keys, async_kw.org("acme")]
    for found in [*records(kw), *handles]:
        assert weakref.ref(found)() is found
    notes = weakref.WeakKeyDictionary[Key, str]()
    key = kw.keys.create(name="CI")
    notes[key] = "seen"
    assert notes[key] == "seen"
    del key
    gc.collect()
    assert not notes


def test_one_engine_is_overridden_and_restored(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key
    with mock.patch.object(kw, "verify", return_value="mine") as verify:
        assert kw.verify(text, scopes="deals:read") == "mine"
    verify.assert_called_once_with(text, scopes="deals:read")
    with mock.patch.object(kw, "keys") as keys:
        assert kw.keys is keys
    with mock.patch.object(kw.keys, "create", side_effect=keywright.Conflict("taken")), pytest.raises(keywright.Conflict):
        kw.keys.create(name="CI")
    with mock.patch.object(kw, "org") as org:
        org.return_value.keys.get.return_value = "theirs"
        assert kw.org("acme").keys.get("id") == "theirs"
    assert kw.keys is kw.keys
    assert kw.verify(text).allowed
    assert len(kw.keys.list().data) == 1


def test_classes_are_overridden_and_restored(kw: Keywright) -> None:
    text = kw.keys.create(name="CI").api_key
    with mock.patch.object(Keywright, "verify", return_value="mine") as verify:
        assert kw.verify(text) == "mine"
    verify.assert_called_once_with(text)
    with mock.patch.object(keywright.Keys, "revoke", return_value="gone"):
        assert kw.org("acme").keys.revoke("id") == "gone"
    with mock.patch.object(Org, "verify", return_value="theirs"):
        assert kw.org("acme").verify(text) == "theirs"
        assert kw.verify(text).allowed
    assert not kw.org("acme").verify(text).allowed
    for cls in (Keywright, Org, keywright.Keys, AsyncKeywright, AsyncOrg):
        spec = mock.create_autospec(cls, instance=True)
        with pytest.raises(AttributeError):
            _ = spec.surplus


def test_monkeypatch_restores_what_it_found(kw: Keywright, monkeypatch: pytest.MonkeyPatch) -> None:
    text, keys = kw.keys.create(name="CI").api_key, kw.keys
    with monkeypatch.context() as patched:
        patched.setattr(kw, "verify", lambda *_: None)
        patched.setattr(kw, "keys", None)
        patched_to: list[Any] = [kw.keys, kw.verify(text)]
        assert patched_to == [None, None]
    assert kw.keys is keys
    assert kw.verify(text).allowed


def test_async_engines_are_overridden_and_restored(async_kw: AsyncKeywright) -> None:
    async def run() -> None:
        text = (await async_kw.keys.create(name="CI")).api_key
        with mock.patch.object(async_kw, "verify", return_value="mine"):
            assert await async_kw.verify(text) == "mine"
        with mock.patch.object(async_kw.keys, "create", return_value="made") as create:
            assert await async_kw.keys.create(name="CI") == "made"
        create.assert_awaited_once_with(name="CI")
        with mock.patch.object(AsyncKeywright, "keys"):
            assert isinstance(vars(AsyncKeywright)["keys"], mock.Mock)
        org = async_kw.org("acme")
        with mock.patch.object(org, "keys"):
            assert isinstance(org.keys, mock.Mock)
        assert (await async_kw.verify(text)).allowed

    asyncio.run(run())


def test_a_handle_that_is_kept_does_not_keep_its_engine(tmp_path: Path) -> None:
    kw = AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER)
    org, engine = kw.org("acme"), weakref.ref(kw)
    handles: list[weakref.ref[Any]] = [weakref.ref(it) for it in (org, org.keys, org.audit, kw.keys)]
    gc.disable()
    try:
        del kw, org
        assert [it() for it in (engine, *handles)] == [None] * 5, "nothing goes round in a circle"
    finally:
        gc.enable()


def test_fastapi_takes_another_dependency_in_place_of_ours(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:
            app = FastAPI()
            api_key = install(app, kw)

            @app.get("/plain")
            async def plain(key: Annotated[Any, Security(api_key)]) -> Any:
                return key

            @app.get("/scoped")
            async def scoped(key: Annotated[Any, Security(api_key, scopes=["deals:read"])]) -> Any:
                return key

            @app.get("/required", dependencies=[api_key.requires("deals:read")])
            async def required() -> None:
                return None

            @app.get("/dear")
            async def dear(key: Annotated[Any, api_key.requires("deals:read", cost=5)]) -> Any:
                return key

            paths = ("/plain", "/scoped", "/required", "/dear")

            async def statuses() -> list[int]:
                return [(await Connection(path=path).to(app)).status for path in paths]

            assert await statuses() == [401] * 4
            app.dependency_overrides[api_key] = lambda: {"name": "fake"}
            assert await statuses() == [200, 200, 200, 401]
            app.dependency_overrides[api_key.needs(cost=5)] = lambda: {"name": "fake"}
            assert await statuses() == [200] * 4
            assert (await Connection(path="/dear").to(app)).answer == {"name": "fake"}
            app.dependency_overrides.clear()
            assert await statuses() == [401] * 4
            assert api_key.needs(cost=5) is api_key.needs(cost=5) is not api_key.needs(cost=6)

    asyncio.run(run())
