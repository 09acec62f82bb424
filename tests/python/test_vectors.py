"""Every case of ``tests/vectors``, through the sync and the asyncio engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import keywright
from hooks import hash_case, plant
from keywright import Keywright, KeywrightError
from keywright.errors import BY_CODE
from vectors import Case, Mode, World, load, matches, only, refused

BASE = {"brand": "liq", "pepper": "pepper for vectors, thirty-two bytes or more"}
# tests/http/drive.py runs those over HTTP, test_cli.py the program, and test_webhooks.py webhooks. Python passes receipts on as
# objects, and has no text form.
ELSEWHERE = {"cli.json", "http.json", "receipt.json", "webhook.json"}
MANIFEST = {name: count for name, count in load("manifest.json").items() if name not in ELSEWHERE}
KEY = {"name": "a key"}


def key(mode: Mode, case: Case) -> None:
    only(case, "config", "text", "syntax", "expect", "found")
    if case["op"] == "open":
        opened(mode, case["config"], case["expect"])
        return
    world = mode.share(case["config"])
    answer = {
        "parse": lambda: world.call("parse", [world.value(case["text"])], {}),
        "redact": lambda: world.call("redact", [world.value(case["text"])], {}),
        "pattern": lambda: world.call("key_pattern", [*[case[name] for name in ["syntax"] if name in case]], {}),
    }[case["op"]]()
    assert answer == case["expect"]
    if "found" in case:
        assert [match.group() for match in re.finditer(answer, case["text"])] == case["found"]
        if case.get("syntax") == "ere":
            scanner = ["grep", "-E", "-o", "-e", answer]
            scanned = subprocess.run(scanner, input=case["text"], capture_output=True, text=True, check=True)
            assert scanned.stdout.splitlines() == case["found"]


def opened(mode: Mode, config: Case, expected: Any) -> None:
    try:
        World(mode, config).close()
    except KeywrightError as error:
        assert expected != "ok", error
        refused(error, expected["error"])
    else:
        assert expected == "ok"


def hashes(_mode: Mode, case: Case) -> None:
    only(case, "input", "expect")
    assert hash_case(case["op"], case["input"]) == case["expect"]


def scope(mode: Mode, case: Case) -> None:
    only(case, "config", "scopes", "granted", "required", "level", "method", "networks", "ip", "expect")
    world = mode.share(BASE | case.get("config", {}))
    given = {name: world.value(it) for name, it in case.items()}
    grant = {
        "grant": lambda: {"scopes": given["scopes"]},
        "verify": lambda: {"scopes": given["granted"]},
        "level": lambda: {"level": given["level"]},
        "network": lambda: {"networks": given["networks"]},
    }[case["op"]]()
    asked = {"required": "scopes", "method": "method", "ip": "ip"}
    request = {asked[name]: it for name, it in given.items() if name in asked}
    try:
        new = world.call("keys.create", [], KEY | grant)
        if case["op"] == "grant":
            answer = world.call("keys.get", [new["id"]], {})["scopes"]
        else:
            answer = world.call("verify", [new["api_key"]], request)
    except KeywrightError as error:
        assert "error" in given["expect"], error
        refused(error, given["expect"]["error"])
    else:
        matches(answer, given["expect"], case["op"])


def scenario(mode: Mode, case: Case) -> None:
    only(case, "config", "start", "steps")
    world = World(mode, case["config"], case["start"])
    for step in case["steps"]:
        world.step(step)
    world.close()


def errors(_mode: Mode, case: Case) -> None:
    only(case, "kind", "code", "status", "wire", "python", "js")
    cls = getattr(keywright, case["python"])
    assert issubclass(cls, KeywrightError)
    if case["kind"] == "error":
        assert (cls.code, cls.status) == (case["code"], case["status"])
    else:
        assert (case["kind"], cls) == ("decision", keywright.Denied)


def test_every_class_of_an_error_is_in_the_vectors() -> None:
    cases = [case for case in load("errors.json")["tests"] if case["kind"] == "error"]
    assert {case["code"]: case["python"] for case in cases} == {code: cls.__name__ for code, cls in BY_CODE.items()}


def test_the_type_of_a_code_lists_the_codes_of_the_vectors() -> None:
    stub = (Path(keywright.__file__).parent / "_native.pyi").read_text("utf-8")
    (listed,) = re.findall(r"^_Denial: TypeAlias = Literal\[(.*?)\]$", stub, re.MULTILINE | re.DOTALL)
    codes = [case["code"] for case in load("errors.json")["tests"] if case["kind"] == "decision"]
    assert re.findall(r"\w+", listed) == codes


def stored_rows(mode: Mode, case: Case) -> None:
    only(case, "config", "row", "text", "expect")
    url = mode.new_database()
    with Keywright(url, **case["config"]) as planter:
        plant(planter, case["row"])
    world = World(mode, case["config"], url=url)
    matches(world.call("verify", [world.value(case["text"])], {}), case["expect"], "verify")
    world.close()


def bad_input(mode: Mode, world: World, case: Case) -> None:
    only(case, "call", "target", "text", "args", "expect")
    arguments, expected = world.value(case.get("args", {})), case["expect"]
    before = world.call("audit.head", [], {}, org="*")
    positional = [world.value(case[name]) for name in ("target", "text") if name in case]
    try:
        if case["call"] == "open":
            url = positional[0] if positional else mode.new_database()
            answer = mode.open(url, **arguments)
        elif case["call"] == "http":
            answer = world.kw.http(**arguments)
        elif case["call"] == "org":
            answer = mode.settled(world.kw.org(*positional).keys.list())
        else:
            answer = world.call(case["call"], positional, arguments)
    except KeywrightError as error:
        assert "code" in expected, error
        refused(error, expected)
    except TypeError as error:
        # A keyword that a method does not name is refused by Python itself, by the base of `InvalidRequest`.
        assert (case["call"], expected["code"]) == ("verify", "invalid_request")
        assert f"unexpected keyword argument '{expected['field']}'" in str(error)
    else:
        assert "decision" in expected, f"not refused: {answer}"
        only(expected, "decision")
        assert (answer["allowed"], answer["code"]) == (False, expected["decision"])
    assert world.call("audit.head", [], {}, org="*") == before


INTERPRETERS = {
    "key.json": key,
    "hash.json": hashes,
    "scope.json": scope,
    "scenario.json": scenario,
    "import.json": scenario,
    "limit.json": scenario,
    "quota.json": scenario,
    "meter.json": scenario,
    "errors.json": errors,
    "stored_rows.json": stored_rows,
}
FILES = [*INTERPRETERS, "bad_input.json"]
CASES = [pytest.param(name, case, id=f"{name}-{case['id']}") for name in FILES for case in load(name)["tests"]]


@pytest.fixture(scope="module", params=["sync", "asyncio"])
def mode(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mode]:
    with Mode(request.param, tmp_path_factory.mktemp("vectors")) as mode:
        yield mode


@pytest.fixture(scope="module")
def given(mode: Mode) -> Iterator[World]:
    """The world of the bad inputs, in which none of them may change anything."""
    document = load("bad_input.json")
    world = World(mode, document["config"], document["start"])
    for step in document["given"]:
        world.step(step)
    yield world
    world.close()


@pytest.mark.parametrize(("name", "case"), CASES)
def test_case(mode: Mode, given: World, name: str, case: Case) -> None:
    if name == "bad_input.json":
        bad_input(mode, given, case)
    else:
        INTERPRETERS[name](mode, case)


def on_machine(given: Any) -> Any:
    """The expectations for the limiter of the machine, which counts as the one of the process does, and shares."""
    if isinstance(given, dict):
        return {name: True if name == "shared" else on_machine(it) for name, it in given.items()}
    return [on_machine(it) for it in given] if isinstance(given, list) else given


# Linux alone has a file that processes map.
if sys.platform == "linux" and "KEYWRIGHT_TEST_STORE" not in os.environ:

    def test_the_limiter_of_the_machine_keeps_the_vectors_of_limits(mode: Mode) -> None:
        cases = [it for it in load("limit.json")["tests"] if "limiter" not in it["config"]]
        assert len(cases) > 50
        for case in on_machine(cases):
            for options in (case, *case["steps"]):
                if "config" in options:
                    options["config"]["limiter"] = "machine"
            scenario(mode, case)


def test_every_case_is_run() -> None:
    counts = {name: len(load(name)["tests"]) for name in FILES}
    assert counts == MANIFEST
    assert counts == {name: load(name)["count"] for name in MANIFEST}
    assert len({it.id for it in CASES}) == sum(MANIFEST.values())


def test_an_unknown_step_fails(tmp_path: Path) -> None:
    steps: list[Case] = [{"do": "keys.bless"}, {"do": "advance", "ms": 1, "of": 2}, {"do": "bless"}]
    with Mode("sync", tmp_path) as mode:
        world = World(mode, BASE)
        for step in steps:
            with pytest.raises((AssertionError, AttributeError)):
                world.step(step)
        world.close()
