"""Decisions that the client remembers for a limited time."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from keywright._native import Decision

__all__ = ["DecisionCache"]

MOST = 10_000


class DecisionCache:
    """Allowed decisions, each for at most ``seconds`` after its request was sent. It holds no text of a key."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._secret = secrets.token_bytes(32)
        self._lock = Lock()
        self._found: dict[bytes, tuple[float, Decision]] = {}

    def name(self, text: str | None, fields: Mapping[str, Any]) -> bytes | None:
        """The place of a decision; ``None`` if it must not be remembered, because each request counts."""
        if text is None or fields.get("cost") is not None:
            return None
        needs = sorted((name, value) for name, value in fields.items() if value is not None)
        return hashlib.blake2b(repr((text, needs)).encode(), key=self._secret, digest_size=32).digest()

    def get(self, name: bytes) -> Decision | None:
        """A decision that is still good."""
        with self._lock:
            found = self._found.get(name)
            if found is None:
                return None
            sent_at, decision = found
            if time.monotonic() - sent_at <= self._seconds and _lives(decision):
                return decision
            del self._found[name]
            return None

    def put(self, name: bytes, sent_at: float, decision: Decision) -> None:
        """Remembers a decision that allows a key and counts against nothing, of which a list would tell."""
        if not decision.allowed or any(value != [] for value in decision.to_dict().values() if isinstance(value, list)):
            return
        with self._lock:
            while len(self._found) >= MOST:
                del self._found[next(iter(self._found))]
            self._found.pop(name, None)
            self._found[name] = (sent_at, decision)

    def clear(self) -> None:
        """Forgets all decisions."""
        with self._lock:
            self._found.clear()


def _lives(decision: Decision) -> bool:
    ends = [decision.grace_ends_at, decision.key.expires_at if decision.key else None]
    return all(end is None or datetime.now(timezone.utc) < end for end in ends)
