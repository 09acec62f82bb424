"""The logging filter: no text of a key reaches a handler's output."""

from __future__ import annotations

import functools
import io
import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keywright import AsyncKeywright, Keywright
from keywright.logging import RedactingFilter


class Extra(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {record.__dict__.get('context')!r}"


@pytest.fixture
def log(kw: Keywright) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Extra("%(message)s"))
    handler.addFilter(RedactingFilter(kw))
    logger = logging.getLogger("keywright.tests")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield logger, out
    logger.removeHandler(handler)


def test_keys_are_masked_wherever_they_stand(kw: Keywright, log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    new = kw.keys.create(name="CI")
    text, secret = new.api_key, new.api_key.removeprefix(new.prefix)

    class Wrapped:
        def __str__(self) -> str:
            return f"wrapped {text}"

    logger.info("got %s", text)
    logger.info(f"got {text}")
    logger.info("got %(key)s", {"key": text})
    logger.info("got %s", Wrapped())
    logger.info("got %r", {"headers": [text]})
    logger.info(Wrapped())
    logger.info("child")
    logging.getLogger("keywright.tests.below").info("below %s", text)
    context: Any = {"key": text, text: 1, "list": [text, (text, {text})], "bytes": text.encode(), "number": 7}
    logger.info("extra", extra={"context": context})
    logger.info("stack", stack_info=True)
    try:
        raise ValueError(f"bad key {text}")
    except ValueError:
        logger.exception("failed for %s", text)
    logger.info("file \udcff %s", text)
    shown = out.getvalue()
    assert secret not in shown
    assert shown.count("[redacted]") >= 14
    assert new.prefix in shown
    assert "ValueError: bad key" in shown
    assert "'number': 7" in shown
    assert context["key"] == text, "what the caller holds is left alone"


def test_what_str_hides_and_repr_shows_is_masked(kw: Keywright, log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    new = kw.keys.create(name="CI")
    secret = new.api_key.removeprefix(new.prefix)

    @dataclass
    class Call:
        key: str

        def __str__(self) -> str:
            return "a call"

    class Mute(Call):
        def __str__(self) -> str:
            raise RuntimeError

    class Trouble(Exception):
        def __str__(self) -> str:
            return "trouble"

    leaks: list[Any] = [Call(new.api_key), Mute(new.api_key), Trouble(new.api_key), functools.partial(print, new.api_key)]
    leaks += [{"deep": [{"er": (it,)}]} for it in leaks] + [{it: 1} for it in leaks if isinstance(it, Trouble)]
    for leak in leaks:
        logger.info("extra", extra={"context": leak})
        logger.info("argument %r", leak)
        # A handler prints the arguments of a wrong format as they are.
        record = logger.makeRecord("x", logging.INFO, "x", 1, "too few %s %s", (leak,), None)
        assert RedactingFilter(kw).filter(record) and secret not in repr(record.args)
    escaped = new.api_key.replace("_", "%5F")
    logger.info("in a URL: %s, in JSON: %s", escaped, json.dumps(new.api_key).replace("_", "\\u005f"))
    shown = out.getvalue()
    assert secret not in shown and escaped not in shown
    assert shown.count("[redacted]") >= 2 * len(leaks) + 2


def test_exceptions_and_objects_show_no_key(kw: Keywright, log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    text = kw.keys.create(name="CI").api_key

    class Own(Extra):
        """Formats exceptions by itself, as formatters for JSON do."""

        def format(self, record: logging.LogRecord) -> str:
            trouble = self.formatException(record.exc_info) if record.exc_info else record.exc_text
            return f"{super().format(record)} {trouble}"

    logger.handlers[0].setFormatter(Own("%(message)s"))
    try:
        raise ValueError(text)
    except ValueError as error:
        logger.exception("failed", extra={"context": error})
    logger.warning("queue", extra={"context": deque([text])})
    assert text not in out.getvalue()
    assert out.getvalue().count("[redacted]") >= 3


def test_deep_and_endless_structures(kw: Keywright, log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    new = kw.keys.create(name="CI")
    endless: list[Any] = [new.api_key]
    endless.append(endless)
    deep: Any = new.api_key
    for _ in range(30):
        deep = [deep]
    logger.info("endless", extra={"context": endless})
    logger.info("deep", extra={"context": deep})
    assert new.api_key.removeprefix(new.prefix) not in out.getvalue()


def test_a_wrong_format_stays_the_handlers_to_report(
    kw: Keywright, log: tuple[logging.Logger, io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    handler = log[0].handlers[0]
    new = kw.keys.create(name="CI")
    handler.handle(logging.makeLogRecord({"msg": "two %s %s", "args": (new.api_key,)}))
    printed = capsys.readouterr().err
    assert "not enough arguments" in printed
    assert new.api_key not in printed


def test_a_closed_engine_still_masks(kw: Keywright, log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    new = kw.keys.create(name="CI")
    kw.close()
    logger.info(new.api_key)
    assert out.getvalue().startswith(f"{new.prefix}_[redacted]")


def test_the_asyncio_engine_masks_too(kw: Keywright, async_kw: AsyncKeywright) -> None:
    new = kw.keys.create(name="CI")
    record = logging.makeLogRecord({"msg": new.api_key})
    assert RedactingFilter(async_kw).filter(record)
    assert record.getMessage() == f"{new.prefix}_[redacted]"


def test_imported_keys_are_masked_from_the_first_record_on(kw: Keywright, async_kw: AsyncKeywright) -> None:
    verifier = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.7WDVSaVQwOHZuKt6UlRF7.xxAzeypHu"
    kw.keys.import_hashed([{"name": "CI", "lookup": "abc12", "verifier": verifier}], format="bcrypt", start="lw")
    # The asyncio engine has made no call.
    for engine in (kw, async_kw):
        record = logging.makeLogRecord({"msg": "got %s", "args": ("lw_abc12_xxxxxxxxxxxxxxxx",)})
        assert RedactingFilter(engine).filter(record)
        assert record.getMessage() == "got lw_abc12_[redacted]"


def test_keys_are_masked_without_a_database_that_can_be_opened(tmp_path: Path) -> None:
    record = logging.makeLogRecord({"msg": f"liq_live_{'a' * 12}_{'b' * 38}"})
    assert RedactingFilter(AsyncKeywright(f"sqlite:{tmp_path}/missing/keys.db", brand="liq")).filter(record)
    assert record.getMessage() == f"liq_live_{'a' * 12}_[redacted]"
