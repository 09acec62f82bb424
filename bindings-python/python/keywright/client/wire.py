"""Arguments as JSON, and answers as records and errors of the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Set
from datetime import date, datetime, timedelta, timezone
from typing import Any, cast

from keywright._native import Decision, NewKey, _issued, _unpickle, _wire_codes
from keywright.client.exchange import Lost, Reply, known
from keywright.errors import BY_CODE, Conflict, Denied, Forbidden, InvalidRequest, KeywrightError, Unavailable, ValidationFailed

__all__ = ["accepted", "body", "denial", "issued", "opened", "plain", "query", "record", "records", "undecided"]

CODES: dict[str, str] = _wire_codes()
FIELD = re.compile(r"([a-z][a-z_.0-9\[\]]*): ")


def body(fields: Mapping[str, Any]) -> bytes:
    """The arguments of a call as JSON."""
    given = {name: plain(name, value) for name, value in fields.items()}
    try:
        return json.dumps(given, allow_nan=False).encode()
    except (TypeError, RecursionError):
        raise InvalidRequest("an argument is no value that JSON has; give text, numbers, lists and dicts") from None
    except ValueError:
        raise ValidationFailed("an argument holds a number that JSON does not have; leave NaN and Infinity out") from None


def query(fields: Mapping[str, Any]) -> dict[str, str]:
    """The arguments of a list as the query of a URL."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise InvalidRequest(f"{name}: is neither text nor an integer; give one of them", name)
        found[name] = str(value)
    return found


def plain(name: str, value: Any) -> Any:
    """An argument as JSON has it."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValidationFailed(f"{name}: is a time without an offset; give an aware datetime", name)
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        raise InvalidRequest(f"{name}: is a date; give a datetime", name)
    if isinstance(value, timedelta):
        # Rounded up: a grace of less than a second is one.
        return f"{-(-value // timedelta(seconds=1))}s"
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Set):
        items: list[Any] = list(cast(Iterable[Any], value))
        return sorted(items, key=str)
    return value


def record(kind: str, text: str) -> Any:
    """The record of the engine for the JSON of an answer."""
    try:
        return _unpickle(kind, text)
    except ValueError:
        raise _foreign() from None


def issued(text: str) -> NewKey:
    """The record of a new key with its text."""
    value = opened(text)
    api_key = value.pop("api_key", None)
    if api_key is None:
        message = f"api_key: was lost on the way, and the server keeps no copy; the key {value.get('id')} exists, so rotate it"
        raise Conflict(message, "api_key")
    try:
        return _issued(json.dumps(value), api_key)
    except (TypeError, ValueError):
        raise _foreign() from None


def records(kind: str, text: str) -> tuple[list[Any], bool, str | None]:
    """The records of a page, whether more follow, and their cursor."""
    value = opened(text)
    try:
        return [record(kind, json.dumps(it)) for it in value["data"]], value.get("has_more", False), value.get("next_cursor")
    except (KeyError, TypeError):
        raise _foreign() from None


def opened(text: str) -> dict[str, Any]:
    """The object of an answer."""
    value = _object(text)
    if value is None:
        raise _foreign()
    return value


def accepted(outcome: Reply | Lost, server: str) -> str:
    """The text of an answer, or its error."""
    if isinstance(outcome, Lost):
        raise Unavailable(f"{server} {outcome.reason}; look at the network and at the server")
    text = outcome.content.decode("utf-8", "replace")
    if outcome.status < 300:  # noqa: PLR2004 - success
        return text
    raise _refusal(outcome, server)


def _object(text: str) -> dict[str, Any] | None:
    try:
        return known(json.loads(text))
    except ValueError:
        return None


def _refusal(reply: Reply, server: str) -> KeywrightError:
    told = reply.told()
    if told is None:
        return Unavailable(
            f"{server} answered {reply.status} and no JSON of Keywright; look at the URL and at what stands before the server"
        )
    code, message = str(told["code"]), str(told.get("message") or told.get("detail") or "")
    named = FIELD.match(message)
    kind = BY_CODE.get(code.lower())
    if kind is not None:
        return kind(message, named[1] if named else None)
    if code in CODES:
        return Denied(message, denial(CODES[code], message, reply.status, reply.retry_after()))
    error = KeywrightError(message)
    error.code, error.status = code.lower(), reply.status
    return error


def denial(code: str, message: str, status: int, wait: int | None = None) -> Decision:
    """A decision that denies, without a key."""
    # Every list is empty, and every other field is null.
    schemas: dict[str, Any] = Decision._json_schema()["properties"]
    fields: dict[str, Any] = {name: [] if schema.get("type") == "array" else None for name, schema in schemas.items()}
    fields |= {"allowed": False, "code": code, "message": message, "status": status, "deprecated": False}
    fields["retry_after_seconds"] = wait
    decision: Decision = record("Decision", json.dumps(fields))
    return decision


def undecided(trouble: KeywrightError) -> Decision:
    """The decision when the server cannot tell; raises if it could and did not, because the client is at fault."""
    if isinstance(trouble, Denied):
        if trouble.code != "rate_limited":
            raise Forbidden(f"the server refuses the client itself: {trouble}; correct the client's api_key") from None
    elif not isinstance(trouble, Unavailable):
        raise trouble
    return denial("unavailable", str(trouble), Unavailable.status)


def _foreign() -> Unavailable:
    return Unavailable("the server answered with no record of this release; look at the URL, and use the same release on both sides")
