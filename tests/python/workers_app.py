"""The application of test_workers.py, which workers of a server share, and its tables of limits."""

import os
from collections.abc import Iterable
from typing import Any

from keywright import Keywright
from keywright.wsgi import KeywrightMiddleware

PEPPER = "a pepper for these tests, of 32 bytes and more"

# Requests a minute and at once, for all keys of an org together.
LIMITS = {"read": (100, 20), "write": (30, 10), "card_creation": (10, 5)}

# Requests a minute and at once, for each key of a tier, and the cost of a request.
TIERS = {"basic": 100, "standard": 1_000, "premium": 10_000}
COST = 20


def answer(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-Worker", str(os.getpid()))])
    return [b""]


def app() -> KeywrightMiddleware:
    limits: dict[str, dict[str, int | str | None]] = {
        name: {"rate": rate, "burst": burst, "per": "org", "operation": name} for name, (rate, burst) in LIMITS.items()
    }
    limiter = os.environ.get("LIMITER") or None
    kw = Keywright(os.environ["DATABASE"], brand="lk", pepper=PEPPER, limits=limits, tiers=TIERS, limiter=limiter)
    operations = ({"path": f"/{name}", "operation": name} for name in LIMITS)
    routes = [{"path": "/", "access": "public"}, {"path": "/tier", "cost": COST}, *operations]
    return KeywrightMiddleware(answer, kw, routes=routes)
