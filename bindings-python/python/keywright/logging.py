"""Keeps keys out of logs."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol, cast

__all__ = ["RedactingFilter"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_DEPTH = 8


class Redactor(Protocol):
    """``Keywright`` or ``AsyncKeywright``."""

    def redact(self, text: str, /) -> str:
        """Masks the secret of every key in a text."""
        ...


class RedactingFilter(logging.Filter):
    """Masks keys in messages, arguments, extra fields, stacks and exceptions.

    Add it to handlers: a filter on a logger does not see the records of the loggers below it::

        for handler in logging.getLogger().handlers:
            handler.addFilter(RedactingFilter(kw))
    """

    def __init__(self, engine: Redactor) -> None:
        super().__init__()
        self._redact = engine.redact

    def filter(self, record: logging.LogRecord) -> bool:
        """Masks the record and returns True."""
        try:
            record.msg = self._text(record.getMessage())
            record.args = None
        except Exception:  # noqa: BLE001 - a wrong format is for the handler to report, which prints message and arguments
            record.msg = self._masked(record.msg)
            record.args = self._masked(record.args)
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._text(record.exc_text)
            # The text replaces the exception: a formatter that formats exceptions itself would show them unmasked.
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self._text(record.stack_info)
        for name in record.__dict__.keys() - _STANDARD:
            record.__dict__[name] = self._masked(record.__dict__[name])
        return True

    def _masked(self, value: Any, depth: int = 0) -> Any:
        """Returns the value with its text masked. Containers are copied."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes | bytearray):
            return self._text(value.decode(errors="replace"))
        if not isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._shown(value)
        if depth == _DEPTH:
            return self._text(repr(cast("object", value)))
        if isinstance(value, Mapping):
            named: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {self._masked(name, depth + 1): self._masked(it, depth + 1) for name, it in named.items()}
        items = [self._masked(it, depth + 1) for it in cast("Collection[Any]", value)]
        return items if isinstance(value, list) else tuple(items)

    def _shown(self, value: Any) -> Any:
        """Returns the value itself, unless its str or repr contains a key: formatters use either."""
        if value is None or isinstance(value, bool | int | float | datetime):
            return value
        for show in (str, repr):
            try:
                text = show(value)
            except Exception:  # noqa: BLE001, S112 - an object that cannot be shown shows nothing
                continue
            masked = self._text(text)
            if masked != text:
                return masked
        return value

    def _text(self, text: str) -> str:
        # File names may contain lone surrogates, which the engine does not accept as text.
        return self._redact(text if text.isascii() else text.encode(errors="backslashreplace").decode())
