"""Keys of another product: which engines know of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from keywright import Keywright

if TYPE_CHECKING:
    from database import Database

# SHA-256 of `12345678`.
DIGEST = "sha256$ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f"
PATIENCE = 300


def code(kw: Keywright, text: str) -> str | None:
    return kw.verify(text).code


def until_allowed(kw: Keywright, text: str) -> None:
    end = time.monotonic() + PATIENCE
    while code(kw, text) is not None:
        assert time.monotonic() < end, "the engine never learned of the format"
        time.sleep(0.01)


def test_engines_that_were_open_before_an_import_accept_its_keys(database: Database) -> None:
    with database.open() as kw, database.open() as other, database.open(max_staleness="1h") as patient:
        for engine in (other, patient):
            assert code(engine, "4711|12345678") == "invalid"
        assert kw.keys.import_hashed([{"name": "CI", "lookup": "4711", "verifier": DIGEST}], format="sanctum").imported == 1
        assert code(kw, "4711|12345678") is None
        # A notification tells of a new format, however long memory may answer.
        for engine in (other, patient):
            until_allowed(engine, "4711|12345678")
            assert code(engine, "4711|12345679") == "invalid"
        kw.keys.revoke(kw.keys.find("4711").id)
        end = time.monotonic() + PATIENCE
        while code(other, "4711|12345678") != "revoked":
            assert time.monotonic() < end, "the revocation never arrived"
            time.sleep(0.01)
        key = {"name": "CI", "lookup": "k1", "verifier": DIGEST}
        kw.keys.import_hashed([key], format="acme-{lookup:2}.{secret:8}", hashed="secret")
        for engine in (kw, other, patient):
            until_allowed(engine, "acme-k1.12345678")
