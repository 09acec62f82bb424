"""Engines whose shared place of limits fails and comes back: each does what its limit says of that."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from client import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from keywright import Decision, Keywright

# Requests a minute, and at once.
RATE, BURST = 1, 20
# Limits that ask at each request. Their names differ, so that engines on one database have a budget each.
POLICIES = {it: {it: {"rate": RATE, "burst": BURST, "exact": True, "when_unreachable": it}} for it in ("local", "refuse", "allow")}


def is_shared(decision: Decision) -> bool:
    return bool(decision.limits) and all(it.shared for it in decision.limits)


def is_uncounted(decision: Decision) -> bool:
    """Whether a request was admitted without the shared place."""
    return decision.allowed and not any(it.shared for it in decision.limits)


class Outage:
    """Engines by the policy of their limit, on one store, and keys for them."""

    def __init__(self, engines: dict[str, Keywright], keys: Iterable[str]) -> None:
        self.engines = engines
        self._keys = iter(keys)
        self.key = ""
        # The requests of the key that a process has admitted on its own, and since when.
        self._alone = 0
        self._since = 0.0

    def is_over(self) -> None:
        """Waits until all count in the shared place, with the next key, whose budgets are full."""
        self.key, self._alone, self._since = next(self._keys), 0, time.monotonic()
        for policy in self.engines:
            self._until(policy, is_shared)

    def is_seen(self) -> None:
        """Waits until all know that the place is lost, and checks what they do then."""
        self._until("refuse", lambda it: it.code == "unavailable")
        self._until("local", lambda it: it.code == "rate_limited" and not is_shared(it))
        most = BURST + math.ceil((time.monotonic() - self._since) * RATE / 60)
        assert BURST <= self._alone <= most
        self._until("allow", is_uncounted)
        assert all(is_uncounted(self._ask("allow")) for _ in range(2 * BURST))
        assert self._ask("refuse").status == 503

    def _ask(self, policy: str) -> Decision:
        decision = self.engines[policy].verify(self.key)
        self._alone += policy == "local" and is_uncounted(decision)
        return decision

    def _until(self, policy: str, holds: Callable[[Decision], bool]) -> None:
        ends = time.monotonic() + PATIENCE
        while not holds(decision := self._ask(policy)):
            assert time.monotonic() < ends, f"{policy}: {decision}"
            time.sleep(0.02)
