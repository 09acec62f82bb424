"""``keywright serve`` through an outage of PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from postgres import PASSWORD
from program import PEPPER, Served

if TYPE_CHECKING:
    from pathlib import Path

    from database import Database


def test_readiness_tells_an_outage_and_its_end(database: Database, until: Any, tmp_path: Path) -> None:
    """Nobody gets a verdict meanwhile, and nothing that is said or written shows a password."""
    server = database.servers("postgres", version=database.server)
    served = Served(tmp_path, url=database.on(server).url())
    verifier = served.create("--scopes", "keys:verify")
    served.start()
    said = []

    def readiness() -> int:
        status, text = served.ask("GET", "/readyz", place=served.admin)
        said.append(text)
        return status

    def verdict() -> tuple[int, Any]:
        status, found = served.ask("POST", "/verify", verifier, {"api_key": verifier})
        return status, found.get("allowed") if status == 200 else found["code"]

    try:
        for how in ("fast", "kill"):
            until(lambda: readiness() == 200)
            until(lambda: verdict() == (200, True))
            database.servers("stop", server["name"], how=how)
            until(lambda: readiness() == 503)
            assert served.ask("GET", "/livez", place=served.admin)[0] == 200
            # Memory may answer for the bound of staleness, and then nothing may.
            until(lambda: verdict() == (503, "UNAVAILABLE"))
            metrics = served.metrics()
            assert "keywright_store_up 0" in metrics and "webhooks_pending" not in metrics
            assert served.process.poll() is None
            database.servers("start", server["name"])
        until(lambda: readiness() == 200)
        until(lambda: verdict() == (200, True))
        assert served.stop()[0] == 0
    finally:
        served.end()
    assert any("the database cannot be used" in it for it in said)
    for secret in (PASSWORD, PEPPER, verifier):
        assert all(secret not in it for it in (*said, served.said(), (tmp_path / "access.log").read_text()))
