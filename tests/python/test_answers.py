"""Routes that answer with what the engine gave them: records go out in plain data, and the text of a new key stays hidden."""

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Security
from fastapi.encoders import jsonable_encoder
from flask import Flask
from litestar import Litestar
from litestar import get as litestar_get
from litestar import post as litestar_post
from pydantic import BaseModel, TypeAdapter, ValidationError

import keywright
from keywright import AsyncKeywright, AsyncPage, Decision, Key, Keywright, NewKey, Page
from keywright.fastapi import install
from keywright.flask import Guard
from keywright.litestar import KeywrightPlugin
from test_http import PEPPER, Connection

RECORDS = (
    "AgentUsage",
    "AuditCheck",
    "AuditEntry",
    "AuditHead",
    "Decision",
    "Event",
    "Key",
    "Limit",
    "LimitState",
    "NewKey",
    "OrgRecord",
    "Parsed",
    "Quota",
    "QuotaState",
    "Secret",
)


def records(kw: Keywright) -> list[Any]:
    """One of each kind, but for events."""
    limits: list[dict[str, int | str | None]] = [{"name": "calls", "rate": 60}]
    new = kw.keys.create(name="CI", scopes="deals:read", limits=limits, quotas={"own": {"amount": 9}}, metadata={"a": [1, None]})
    decision = kw.verify(new.api_key, agent="a")
    kw.flush()
    entry = kw.audit.list().data[0]
    return [
        *(new, kw.keys.get(new.id), new.secrets[0], new.limits[0], decision, decision.limits[0], kw.keys.agents(new.id)[0]),
        *(new.quotas[0], decision.quotas[0], kw.keys.credit(new.id, 1)),
        *(entry, kw.audit.head(), kw.audit.verify(), kw.orgs.get("default"), kw.parse(new.api_key), kw.keys.list(), kw.audit.list()),
    ]


def test_every_record_is_a_mapping_of_its_plain_data(kw: Keywright) -> None:
    for record in records(kw):
        plain = record.to_dict()
        assert dict(record) == {**record} == plain
        assert list(record.keys()) == list(plain)
        assert json.loads(json.dumps(record, default=dict)) == plain
        assert jsonable_encoder({"found": [record]}) == {"found": [plain]}
        with pytest.raises(KeyError):
            record["surplus"]
        assert not dataclasses.is_dataclass(record)


def test_pydantic_describes_every_record_as_it_is_shown(kw: Keywright) -> None:
    for record in records(kw):
        adapter: TypeAdapter[Any] = TypeAdapter(type(record))
        assert adapter.validate_python(record) is record
        assert adapter.dump_python(record) == json.loads(adapter.dump_json(record)) == record.to_dict()
        assert set(adapter.json_schema(mode="serialization")["properties"]) == set(record.to_dict())
        with pytest.raises(ValidationError):
            adapter.validate_python(record.to_dict())
    for name in RECORDS:
        schema = TypeAdapter(getattr(keywright, name)).json_schema()
        assert (schema["title"], schema["required"]) == (name, list(schema["properties"]))


def test_the_schema_of_a_key_names_what_management_shows(kw: Keywright) -> None:
    document = kw.http().openapi()["components"]["schemas"]
    same = ("Key", "Secret", "Limit", "Quota", "QuotaState")
    for ours, theirs in (*((name, name) for name in same), ("NewKey", "IssuedKey"), ("OrgRecord", "Org")):
        schema = TypeAdapter(getattr(keywright, ours)).json_schema()
        assert list(schema["properties"]) == list(document[theirs]["properties"])


def test_models_hold_records(kw: Keywright) -> None:
    class Shown(BaseModel):
        key: Key
        decision: Decision | None = None
        page: Page[Key] | None = None

    new = kw.keys.create(name="CI")
    shown = Shown(key=new, decision=kw.verify(new.api_key), page=kw.keys.list())
    assert new.api_key not in shown.model_dump_json() + repr(shown)
    plain = json.loads(shown.model_dump_json())
    assert "api_key" not in plain["key"], "what is annotated with Key shows a key"
    assert plain["page"]["data"] == [kw.keys.get(new.id).to_dict()]
    assert shown.model_dump(exclude_none=True)["key"].keys() == {name for name, it in new.to_dict().items() if it is not None} - {"api_key"}
    key = Shown.model_json_schema(mode="serialization")["properties"]["key"]
    assert key["properties"]["created_at"] == {"type": "string", "format": "date-time"}
    with pytest.raises(ValidationError):
        Shown(key={"id": "forged"})  # type: ignore[arg-type]


def test_fastapi_answers_with_records(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:
            app = FastAPI()
            api_key = install(app, kw)

            @app.get("/typed")
            async def typed(key: Annotated[Key, Security(api_key)]) -> Key:
                return key

            @app.get("/untyped")
            async def untyped(key: Annotated[Key, Security(api_key)]):  # type: ignore[no-untyped-def]
                return {"keys": [key]}

            @app.get("/model", response_model=Key | None, response_model_exclude_none=True)
            async def model(key: Annotated[Key, Security(api_key)]) -> Any:
                return key

            @app.get("/page")
            async def page(key: Annotated[Key, Security(api_key)]) -> AsyncPage[Key]:
                return await kw.keys.list()

            @app.post("/new")
            async def new(key: Annotated[Key, Security(api_key)]) -> NewKey:
                return await kw.keys.create(name="new")

            @app.post("/key")
            async def less(key: Annotated[Key, Security(api_key)]) -> Key:
                return await kw.keys.create(name="less")

            @app.post("/revealed")
            async def revealed(key: Annotated[Key, Security(api_key)]) -> dict[str, Any]:
                return (await kw.keys.create(name="revealed")).reveal()

            text = (await kw.keys.create(name="CI")).api_key
            plain = (await kw.keys.list()).data[0].to_dict()

            async def answer(path: str, method: str = "GET") -> Any:
                found = await Connection(path=path, method=method).key(text).to(app)
                assert found.status == 200
                assert text not in json.dumps(found.answer)
                return found.answer

            def same(found: Any) -> bool:
                """Whether it is the key: what counts its uses moves on meanwhile."""
                used = {"last_used_at", "usage_count", "secrets"}
                return found.keys() == plain.keys() and all(found[name] == plain[name] for name in plain.keys() - used)

            assert same(await answer("/typed"))
            assert same((await answer("/untyped"))["keys"][0])
            assert (await answer("/model")).keys() - {"last_used_at"} == {name for name, it in plain.items() if it is not None}
            assert [same(it) for it in (await answer("/page"))["data"]] == [True]
            made = await answer("/new", "POST")
            assert (made["name"], made["api_key"].startswith("<hidden")) == ("new", True)
            assert "api_key" not in await answer("/key", "POST")
            shown = await answer("/revealed", "POST")
            assert (await kw.verify(shown["api_key"])).allowed
            answers = app.openapi()["paths"]["/typed"]["get"]["responses"]["200"]["content"]["application/json"]
            assert set(answers["schema"]["properties"]) == plain.keys()

    asyncio.run(run())


def test_litestar_answers_with_records(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncKeywright(f"sqlite:{tmp_path}/keys.db", brand="liq", pepper=PEPPER) as kw:

            @litestar_get("/typed")
            async def typed() -> Key:
                return (await kw.keys.list()).data[0]

            @litestar_get("/page")
            async def page() -> AsyncPage[Key]:
                return await kw.keys.list()

            @litestar_post("/new")
            async def new() -> dict[str, NewKey]:
                return {"made": await kw.keys.create(name="new")}

            app = Litestar([typed, page, new], plugins=[KeywrightPlugin(kw)])
            await kw.keys.create(name="CI")
            plain = (await kw.keys.list()).data[0].to_dict()
            assert (await Connection(path="/typed").to(app)).answer == plain
            assert (await Connection(path="/page").to(app)).answer["data"] == [plain]
            made = (await Connection(path="/new", method="POST").to(app)).answer["made"]
            assert (made["name"], made["api_key"].startswith("<hidden")) == ("new", True)
            assert app.openapi_schema.to_schema()["paths"].keys() == {"/typed", "/page", "/new"}

    asyncio.run(run())


def test_flask_and_rest_framework_answer_with_records(kw: Keywright) -> None:
    from rest_framework.utils.encoders import JSONEncoder

    app = Flask(__name__)
    Guard(kw, app)
    new = kw.keys.create(name="CI")

    @app.get("/")
    def shown() -> Any:
        return {"new": new, "page": kw.keys.list()}

    wanted = {"new": new.to_dict(), "page": kw.keys.list().to_dict()}
    assert app.test_client().get("/").json == wanted
    assert json.loads(json.dumps({"new": new, "page": kw.keys.list()}, cls=JSONEncoder)) == wanted
