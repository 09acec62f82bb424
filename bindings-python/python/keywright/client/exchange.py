"""A call of the server without I/O: the requests to send and the pauses to make, whether the caller waits or awaits."""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Exchange", "Lost", "Reply", "Request", "exchange"]

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
# The server has not run the request, and tells when it will: the same request still runs, or a limit is used up. A limit that tells
# no time, such as a balance, does not come back by itself.
TIMED = (409, 429)
BUSY = 503
# A proxy does not know whether the server has run it.
UNKNOWN = (502, 504)


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

    def retry_after(self) -> float | None:
        """The pause for which the server asks, in seconds."""
        given = self.headers.get("retry-after", "")
        return float(given) if given.isascii() and given.isdigit() else None


@dataclass(frozen=True, slots=True)
class Lost:
    """The end of a request that got no answer."""

    reason: str
    sent: bool
    """Whether the server may have run it."""


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
    wait = asked + backoff if asked is not None and asked <= LONGEST_PAUSE else None
    if outcome.status in TIMED:
        return wait
    if outcome.status == BUSY:
        return backoff if asked is None else wait
    return backoff if outcome.status in UNKNOWN and request.repeatable else None
