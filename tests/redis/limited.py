"""A database whose limits are counted in Redis, and engines on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keywright import Keywright, KeywrightError

if TYPE_CHECKING:
    from pathlib import Path

    from client import Servers

PEPPER = "pepper for tests, thirty-two bytes or more"
PASSWORD = "of-these@tests"
ESCAPED = "of-these%40tests"
# A request comes back in a minute, longer than any of these tests.
LIMITS = {"all": {"rate": 1, "burst": 5}}


class Limited:
    """A database with one key."""

    def __init__(self, servers: Servers, database: Path) -> None:
        self.servers = servers
        self.url = f"sqlite:{database}"
        self._open: list[Keywright] = []
        with Keywright(self.url, brand="liq", pepper=PEPPER, limiter="process") as kw:
            self.key = kw.keys.create(name="CI").api_key

    def server(self, **given: Any) -> dict[str, Any]:
        """A new server: the newest Redis of the system, unless `version` names another one."""
        return dict(self.servers("redis", **{"version": self.newest(), **given}))

    def newest(self) -> str:
        return str([it for it in self.servers("redis_versions") if it.startswith("redis-")][-1])

    def open(self, limiter: str, limits: Any = None, **options: Any) -> Keywright:
        """An engine, which counts as another process does."""
        options = {"brand": "liq", "pepper": PEPPER, "limits": limits or LIMITS, "limiter": limiter, **options}
        kw = Keywright(self.url, **options)
        self._open.append(kw)
        return kw

    def refusal(self, limiter: str) -> str:
        """The error of an engine that cannot be opened. It tells no password."""
        with pytest.raises(KeywrightError) as caught:
            self.open(limiter)
        said = str(caught.value)
        assert PASSWORD not in said and ESCAPED not in said and PEPPER not in said
        return said

    def budget(self, server: dict[str, Any]) -> str:
        """The key of the only budget on a server, beside the one that an engine writes when it connects."""
        [found] = [it for it in self.servers("command", server["name"], words="KEYS *") if set(it.partition(":")[2]) != {"0"}]
        return str(found)

    def shares(self, kw: Keywright) -> bool:
        """Whether a request is counted in Redis."""
        decision = kw.verify(self.key)
        return bool(decision.limits) and all(it.shared for it in decision.limits)

    def close(self) -> None:
        for kw in self._open:
            kw.close()
