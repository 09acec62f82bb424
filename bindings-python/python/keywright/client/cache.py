"""Decisions that the client remembers for a limited time."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from keywright._native import Decision

__all__ = ["DecisionCache"]

MOST = 10_000


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment at which a request is sent, on two clocks: one stands still while a machine sleeps, somebody may set the other."""

    times: tuple[float, float]
    changes: int


class DecisionCache:
    """Allowed decisions, each for at most ``seconds`` after its request was sent. It holds no text of a key."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._secret = secrets.token_bytes(32)
        self._lock = Lock()
        self._found: dict[bytes, tuple[Moment, Decision]] = {}
        self._changes = 0

    def name(self, text: str | None, fields: Mapping[str, Any]) -> bytes | None:
        """The place of a decision; ``None`` if it must not be remembered, because each request counts."""
        if text is None or fields.get("cost") is not None:
            return None
        needs = sorted((name, value) for name, value in fields.items() if value is not None)
        return hashlib.blake2b(repr((text, needs)).encode(), key=self._secret, digest_size=32).digest()

    def moment(self) -> Moment:
        """The present moment."""
        return Moment((time.monotonic(), time.time()), self._changes)

    def get(self, name: bytes) -> Decision | None:
        """A decision that is still good."""
        with self._lock:
            found = self._found.get(name)
            if found is None:
                return None
            sent, decision = found
            ages = [now - then for now, then in zip(self.moment().times, sent.times, strict=True)]
            if all(abs(age) <= self._seconds for age in ages) and _lives(decision):
                return decision
            del self._found[name]
            return None

    def put(self, name: bytes, sent: Moment, decision: Decision) -> None:
        """Remembers a decision that allows a key and counts against nothing, of which a list would tell."""
        if not decision.allowed or any(value != [] for value in decision.to_dict().values() if isinstance(value, list)):
            return
        with self._lock:
            if sent.changes != self._changes:
                return
            while len(self._found) >= MOST:
                del self._found[next(iter(self._found))]
            self._found.pop(name, None)
            self._found[name] = (sent, decision)

    def clear(self) -> None:
        """Forgets all decisions, those that are under way among them."""
        with self._lock:
            self._changes += 1
            self._found.clear()


def _lives(decision: Decision) -> bool:
    ends = [decision.grace_ends_at, decision.key.expires_at if decision.key else None]
    return all(end is None or datetime.now(timezone.utc) < end for end in ends)
