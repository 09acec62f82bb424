"""A call of the server without I/O: the requests to send and the pauses to make, whether the caller waits or awaits."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias, cast

__all__ = ["Exchange", "Lost", "Reply", "Request", "exchange", "known"]

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
# As long as any longer pause, in seconds.
FAR_AWAY = 1e9
# The server has not run the request, and tells when it will: the same request still runs, or a limit is used up. A limit that tells
# no time, such as a balance, does not come back by itself.
TIMED = (409, 429)
BUSY = 503
# The server, or a proxy before it, does not know whether the request has run.
UNKNOWN = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. Its body may hold a secret, and is never shown."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes | None
    repeatable: bool
    """Whether the server may get it twice."""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    def retry_after(self) -> int | None:
        """The whole seconds for which the server asks, by their number or by a date (RFC 9110, section 10.2.3)."""
        given = self.headers.get("retry-after", "").strip()
        if given.isascii() and given.isdigit():
            return int(min(float(given), FAR_AWAY))
        try:
            date = parsedate_to_datetime(given)
        except (ValueError, OverflowError):
            return None
        left = date.replace(tzinfo=date.tzinfo or timezone.utc) - datetime.now(timezone.utc)
        return max(0, math.ceil(left.total_seconds()))

    def told(self) -> dict[str, Any] | None:
        """The error in the answer; ``None`` if something that stands before the server answered, such as a proxy."""
        try:
            answer = known(json.loads(self.content))
        except ValueError:
            return None
        errors: Any = (answer or {}).get("errors")
        told = known(errors[0]) if isinstance(errors, list) and errors else answer
        return told if told is not None and isinstance(told.get("code"), str) else None


@dataclass(frozen=True, slots=True)
class Lost:
    """The end of a request that got no answer."""

    reason: str
    sent: bool
    """Whether the server may have run it."""


def known(value: Any) -> dict[str, Any] | None:
    """The value if it is an object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


Exchange: TypeAlias = Generator[Request | float, Reply | Lost | None, Reply | Lost]


def exchange(request: Request, retries: int) -> Exchange:
    """Yields the request each time it is to be sent, which gets a reply or its loss, and the seconds of each pause."""
    attempt = 0
    while True:
        outcome = (yield request) or Lost("gave no answer", sent=True)
        pause = _pause(request, outcome, attempt)
        if pause is None or attempt >= retries:
            return outcome
        attempt += 1
        yield pause


def _pause(request: Request, outcome: Reply | Lost, attempt: int) -> float | None:
    """The seconds until the request is sent again; ``None`` if it is not."""
    backoff = FIRST_PAUSE * 2.0**attempt * random.uniform(0.5, 1.0)  # noqa: S311 - many clients must not return at once
    if isinstance(outcome, Lost):
        return backoff if request.repeatable or not outcome.sent else None
    asked = outcome.retry_after()
    if asked is not None and asked > LONGEST_PAUSE:
        return None
    if outcome.status in TIMED:
        again = asked is not None
    elif outcome.status == BUSY and outcome.told() is not None:
        again = True
    else:
        again = outcome.status in UNKNOWN and request.repeatable
    return (asked or 0) + backoff if again else None
