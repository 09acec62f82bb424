"""The interpreter of ``tests/vectors``, the same for ``Keywright`` and ``AsyncKeywright``."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from keywright import AsyncKeywright, Denied, Keywright, KeywrightError, NewKey
from keywright.testing import ManualClock

FOLDER = Path(__file__).parent.parent / "vectors"
POSITIONAL = {"find": "prefix", "prune": "before"}
START = "2026-01-01T00:00:00.000Z"

Case = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return document


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def only(case: Case, *known: str) -> None:
    unknown = case.keys() - {"id", "comment", "op", *known}
    assert not unknown, f"the interpreter does not know {unknown}"


class Mode:
    """How calls are made, directly or awaited, and where new databases are."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.store = os.environ.get("KEYWRIGHT_TEST_STORE", f"sqlite:{folder}/")
        self.shared: dict[str, World] = {}
        self.engine: Callable[..., Any] = Keywright if name == "sync" else AsyncKeywright
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> Mode:
        return self

    def __exit__(self, *_: object) -> None:
        for world in self.shared.values():
            world.close()
        self.loop.close()

    def new_database(self) -> str:
        """The URL of a database that does not exist yet."""
        return f"{self.store}kw_{secrets.token_hex(8)}"

    def share(self, config: dict[str, Any]) -> World:
        """The world of the cases with these options that leave nothing behind."""
        name = json.dumps(config, sort_keys=True)
        if name not in self.shared:
            self.shared[name] = World(self, config)
        return self.shared[name]

    def settled(self, answer: Any) -> Any:
        async def awaited(awaitable: Awaitable[Any]) -> Any:
            return await awaitable

        return self.loop.run_until_complete(awaited(answer)) if hasattr(answer, "__await__") else answer

    def open(self, url: str, **options: Any) -> Any:
        engine = self.engine(url, **options)
        if self.name == "asyncio":
            self.settled(engine.open())
        return engine


class World:
    """One database, its clock, and what steps have kept."""

    def __init__(self, mode: Mode, config: dict[str, Any], start: str = START, url: str | None = None) -> None:
        self.mode = mode
        self.url = url or mode.new_database()
        self.kept: dict[str, Any] = {}
        self.config = self.value(config)
        self.clock = ManualClock(instant(start))
        self.kw = mode.open(self.url, clock=self.clock, **self.config)

    def value(self, given: Any) -> Any:
        """A value of a vector as Python has it."""
        if isinstance(given, list):
            return [self.value(it) for it in given]
        if not isinstance(given, dict):
            return given
        if len(given) == 1 and (name := next(iter(given))).startswith("$"):
            return getattr(self, f"_{name[1:]}")(given[name])
        return {name: self.value(it) for name, it in given.items()}

    def _nan(self, _: bool) -> float:
        return float("nan")

    def _inf(self, _: bool) -> float:
        return float("inf")

    def _float(self, number: float) -> float:
        return float(number)

    def _integer(self, digits: str) -> int:
        return int(digits)

    def _time(self, text: str) -> datetime:
        return instant(text)

    def _bad_time(self, _: bool) -> datetime:
        return datetime(2030, 1, 1)

    def _bytes(self, text: str) -> bytes:
        return bytes.fromhex(text)

    def _surrogate(self, _: bool) -> str:
        return "a\ud800b"

    def _repeat(self, it: list[Any]) -> str:
        return str(it[0]) * int(it[1])

    def _list(self, it: list[Any]) -> list[Any]:
        item, times = it
        return [self.value(item) for _ in range(times)]

    def _nested(self, depth: int) -> dict[str, Any]:
        inner: dict[str, Any] = {}
        for _ in range(depth - 1):
            inner = {"a": inner}
        return inner

    def _object(self, _: bool) -> object:
        return object()

    def _exists(self, it: bool) -> dict[str, bool]:
        return {"$exists": it}

    def _absent(self, it: bool) -> dict[str, bool]:
        return {"$absent": it}

    def _ref(self, path: str) -> Any:
        found: Any = self.kept
        for step in path.split("."):
            found = found[int(step) if isinstance(found, list) else step]
        return found

    def _change(self, it: list[Any]) -> str:
        text, index, to = self.value(it[0]), it[1], it[2]
        index %= len(text)
        if text[index] == to:
            to = chr(ord(to) + 1)
        return str(text[:index] + to + text[index + 1 :])

    def _cut(self, it: list[Any]) -> str:
        return str(self.value(it[0])[it[1] : it[2]])

    def _text(self, it: Any) -> str:
        return str(self.value(it))

    def _number(self, it: Any) -> int:
        return int(self.value(it))

    def call(self, name: str, positional: list[Any], arguments: dict[str, Any], org: str | None = None) -> Any:
        """The answer of a call in plain data; of a new key the revealed record."""
        handle = self.kw if org is None else self.kw.every_org() if org == "*" else self.kw.org(org)
        *path, method = name.split(".")
        for step in path:
            handle = getattr(handle, step)
        return self.plain(getattr(handle, method)(*positional, **arguments))

    def plain(self, answer: Any) -> Any:
        """An answer, or an awaitable of one, in plain data."""
        answer = self.mode.settled(answer)
        if isinstance(answer, NewKey):
            return answer.reveal()
        if isinstance(answer, list):
            return [it.to_dict() for it in answer]
        return answer.to_dict() if hasattr(answer, "to_dict") else answer

    def step(self, step: Case) -> None:
        only(step, "do", "org", "args", "as", "expect", "error", "text", "before", "prefix", "ms", "config", "times")
        for _ in range(step.get("times", 1)):
            self._once(step)

    def _once(self, step: Case) -> None:
        try:
            answer = self._do(step)
        except KeywrightError as error:
            assert "error" in step, f"{step}: {error}"
            refused(error, step["error"])
            return
        assert "error" not in step, f"{step}: no error, but {answer}"
        if "as" in step:
            self.kept[step["as"]] = answer
        if "expect" in step:
            matches(answer, self.value(step["expect"]), step["do"])

    def _do(self, step: Case) -> Any:
        name = step["do"]
        if name == "advance":
            return self.clock.advance(step["ms"])
        if name == "flush":
            return self.mode.settled(self.kw.flush())
        if name == "close":
            return self.mode.settled(self.kw.close())
        if name == "reopen":
            self.close()
            self.config = self.value(step.get("config", self.config))
            self.kw = self.mode.open(self.url, clock=self.clock, **self.config)
            return None
        group, _, method = name.partition(".")
        assert group in {"keys", "orgs", "audit", "verify", "authenticate"}, f"the interpreter does not know {name}"
        label = "text" if not method else POSITIONAL.get(method, "id")
        positional = [self.value(step[label])] if label in step else []
        return self.call(name, positional, self.value(step.get("args", {})), step.get("org"))

    def close(self) -> None:
        self.mode.settled(self.kw.close())


def refused(error: KeywrightError, expected: Case) -> None:
    only(expected, "code", "field")
    assert error.code == expected["code"], error
    if "field" in expected:
        assert error.field == expected["field"], error
    kind = "decision" if isinstance(error, Denied) else "error"
    known = [it for it in load("errors.json")["tests"] if it["code"] == error.code and it["kind"] == kind]
    assert [(it["status"], it["python"]) for it in known] == [(error.status, type(error).__name__)]


def matches(found: Any, expected: Any, path: str) -> None:
    """Whether the named fields are equal; others may be there."""
    if isinstance(expected, dict):
        if expected == {"$exists": True}:
            assert found is not None, path
            return
        assert isinstance(found, dict), f"{path}: {found!r}"
        for name, it in expected.items():
            if it == {"$absent": True}:
                assert name not in found, f"{path}.{name}"
            else:
                assert name in found, f"{path}.{name}"
                matches(found[name], it, f"{path}.{name}")
    elif isinstance(expected, list):
        assert isinstance(found, list), f"{path}: {found!r}"
        assert len(found) == len(expected), f"{path}: {found!r}"
        for index, (one, other) in enumerate(zip(found, expected, strict=True)):
            matches(one, other, f"{path}[{index}]")
    else:
        assert type(found) is type(expected), f"{path}: {found!r} is not {expected!r}"
        assert found == expected, f"{path}: {found!r} is not {expected!r}"
