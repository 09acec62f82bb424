"""Keys of another product: which engines know of them, and `keywright import`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database import PEPPER, trouble
from keywright import Keywright

if TYPE_CHECKING:
    from database import Database

PROGRAM = str(Path(sys.executable).parent / "keywright")
FORMAT = ("--from", "generic", "--format", "old_{lookup:8}_{secret:8}", "--hashed", "secret")
ROWS = 5_500

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


class Importing:
    """The program, with a file of keys."""

    def __init__(self, database: Database, folder: Path) -> None:
        own = {"KEYWRIGHT_URL": database.url(), "KEYWRIGHT_BRAND": "liq", "KEYWRIGHT_PEPPER": PEPPER, "KEYWRIGHT_BUSY_TIMEOUT": "5m"}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")} | own
        self.file = folder / "keys.jsonl"
        row = {"name": "CI", "verifier": DIGEST, "scopes": "deals:read"}
        self.file.write_text("".join(json.dumps({**row, "lookup": f"{number:08}"}) + "\n" for number in range(ROWS)))

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [PROGRAM, "import", *FORMAT, str(self.file), "--json", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)

    def total(self, *words: str) -> dict[str, Any]:
        """Runs it to its end, and returns the numbers that it prints last."""
        with self.start(*words) as running:
            out, said = running.communicate(timeout=PATIENCE)
        assert running.returncode == 0, said
        trouble(said)
        numbers: dict[str, Any] = json.loads(out.splitlines()[-1])
        return numbers


def test_an_import_from_the_command_line_goes_on_after_it_was_killed(database: Database, tmp_path: Path) -> None:
    importing = Importing(database, tmp_path)
    tried = importing.total("--dry-run")
    assert (tried["rows"], tried["imported"], tried["existing"], tried["dry_run"]) == (ROWS, ROWS, 0, True)
    assert database.sql("select count(*) from keys").strip() == "0"
    with importing.start() as running:
        assert running.stdout is not None
        # The first thousand rows are reported once they are written.
        assert json.loads(running.stdout.readline())["result"] == "imported"
        running.kill()
        running.communicate(timeout=PATIENCE)
    kept = int(database.sql("select count(*) from keys"))
    assert kept >= 1_000
    done = importing.total()
    # The server may still have been at a transaction whose client was gone.
    assert done["existing"] >= kept and (done["rows"], done["refused"]) == (ROWS, 0)
    assert done["existing"] + done["imported"] == ROWS
    again = importing.total()
    assert (again["imported"], again["existing"]) == (0, ROWS)
    with database.open() as kw:
        for number in (0, 999, 1_000, ROWS - 1):
            assert code(kw, f"old_{number:08}_12345678") is None
        assert code(kw, f"old_{ROWS:08}_12345678") == "invalid"
        assert kw.audit.verify().ok
