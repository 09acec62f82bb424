"""The fields of a key: the records, the stubs, the signatures and the wire name the same ones."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keywright
from keywright import InvalidRequest, Keywright
from keywright.http import Needs

STUBS = Path(keywright.__file__).parent
GUIDE = Path(__file__).parents[2] / "core/guide"


def stub(file: str, cls: str, method: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """A method in a stub."""
    classes = [it for it in ast.parse((STUBS / file).read_text("utf-8")).body if isinstance(it, ast.ClassDef) and it.name == cls]
    functions = [it for it in classes[0].body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef) and it.name == method]
    return functions[0]


def stubbed(file: str, cls: str, method: str) -> set[str]:
    """The keyword-only arguments of a method in a stub."""
    return {it.arg for it in stub(file, cls, method).args.kwonlyargs}


def documented(text: str | None) -> set[str]:
    """The arguments that a documentation describes, each at the start of a line."""
    names = re.findall(r"^([a-z_]+(?:, [a-z_]+)*): ", text or "", re.MULTILINE)
    return {name for line in names for name in line.split(", ")}


def known(call: Callable[..., Any]) -> set[str]:
    """The arguments of a call, as its refusal of another one lists them."""
    with pytest.raises(InvalidRequest) as caught:
        call(qqqqqqqqqqqqqqqqqqqq=1)
    names = re.search(r"known are (.*)$", str(caught.value))
    assert names is not None, caught.value
    return set(names[1].split(", "))


def test_a_record_has_the_fields_of_the_wire(kw: Keywright) -> None:
    key = kw.keys.create(name="CI", scopes="deals:read", limits={"own": 10}, quotas={"all": {"amount": 9}}, expires_in_days=1)
    principal = {"org": "default", "actor": "alice", "may": ["keys:manage"]}
    response = kw.http().manage("GET", f"/keys/{key.id}".encode(), [], None, b"", principal)
    assert list(json.loads(response.body).items()) == list(kw.keys.get(key.id).to_dict().items())


@pytest.mark.parametrize("method", ["create", "update"])
def test_stubs_and_signatures_name_what_a_call_takes(kw: Keywright, method: str) -> None:
    key = kw.keys.create(name="CI")
    call = getattr(kw.keys, method)
    taken = known(call) if method == "create" else known(lambda **given: call(key.id, **given))
    signature = inspect.signature(call).parameters.values()
    assert {it.name for it in signature if it.kind is inspect.Parameter.KEYWORD_ONLY} == taken
    assert stubbed("_native.pyi", "Keys", method) == taken
    assert stubbed("aio.pyi", "AsyncKeys", method) == taken
    # The caller of a server is the actor and the creator.
    remote = taken - {"actor", "created_by"}
    assert stubbed("client/__init__.pyi", "Keys", method) == stubbed("client/__init__.pyi", "AsyncKeys", method) == remote


@pytest.mark.parametrize("method", ["verify", "authenticate"])
@pytest.mark.parametrize("cls", ["Client", "AsyncClient", "Verifier", "AsyncVerifier"])
def test_a_client_takes_the_options_of_verify(cls: str, method: str) -> None:
    assert stubbed("client/__init__.pyi", cls, method) == stubbed("_native.pyi", "Verifier", method)


def test_each_argument_of_create_is_documented(kw: Keywright) -> None:
    taken = known(kw.keys.create)
    assert documented(inspect.getdoc(kw.keys.create)) == taken
    assert documented(ast.get_docstring(stub("_native.pyi", "Keys", "create"))) == taken


def test_the_guide_names_the_arguments_of_create_and_update(kw: Keywright) -> None:
    guide = (GUIDE / "management.md").read_text("utf-8")
    key = kw.keys.create(name="CI")
    # Over HTTP the actor is the caller.
    created = known(kw.keys.create) - {"created_by"}
    updated = known(lambda **given: kw.keys.update(key.id, **given)) - {"actor"}
    for request, taken in {"POST /keys": created, "PATCH /keys/{id}": updated}.items():
        (arguments,) = re.findall(rf"^\| `{re.escape(request)}`.*?\|.*?\|(.*)\|$", guide, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", arguments)) == taken


def test_stub_and_signature_name_what_needs_take() -> None:
    taken = known(Needs)
    assert set(inspect.signature(Needs).parameters) == taken
    assert stubbed("_native.pyi", "Needs", "__new__") == taken
    assert documented(inspect.getdoc(Needs)) == taken
    assert documented(ast.get_docstring(stub("_native.pyi", "Needs", "__new__"))) == taken
