"""Imports a file by the program, and verifies the texts of its keys: `check.py FILE ARGUMENT...`.

FILE.texts has a line for each key: `{"text": …, "code": …, "scopes": […], "hash": …}`.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from keywright import Keywright

PEPPER = "a pepper of these tests, of 32 bytes or more"
PATIENCE = 120


def run(folder: str, *words: str, code: int = 0) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-m", "keywright", "import", *words, "--json"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def verifiers(folder: str) -> list[str]:
    """The stored verifiers, read by a process of its own: Keywright refuses a database that another SQLite of its process opens."""
    read = "import sqlite3; print(*(row[0] for row in sqlite3.connect('keys.db').execute('SELECT verifier FROM secrets')), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", read], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout.splitlines()


def main() -> None:
    file, arguments = sys.argv[1], sys.argv[2:]
    keys = [json.loads(line) for line in Path(f"{file}.texts").read_text().splitlines()]
    assert keys
    with TemporaryDirectory() as folder:
        (Path(folder) / "keywright.toml").write_text(f'url = "sqlite:keys.db"\nbrand = "acme"\npepper = "{PEPPER}"\n')
        (Path(folder) / "keywright.toml").chmod(0o600)
        *_, dry = run(folder, file, *arguments, "--dry-run")
        assert dry["imported"] == len(keys), dry
        *rows, total = run(folder, file, *arguments)
        assert (total["imported"], total["refused"]) == (len(keys), 0), (rows, total)
        *_, again = run(folder, file, *arguments)
        assert (again["imported"], again["existing"]) == (0, len(keys)), again
        assert all(not it.startswith("$hmac-sha256$") for it in verifiers(folder))
        for _ in range(2):
            with Keywright(f"sqlite:{folder}/keys.db", brand="acme", pepper=PEPPER) as kw:
                for key in keys:
                    text = key["text"]
                    decision = kw.verify(text, method="GET")
                    assert (decision.code or "allowed") == key["code"], (key, decision)
                    assert decision.allowed is (key["code"] == "allowed")
                    if decision.allowed and "scopes" in key:
                        assert decision.key.scopes == key["scopes"], (key, decision.key)
                    wrong = text[:-1] + ("a" if text[-1] != "a" else "b")
                    assert kw.verify(wrong, method="GET").code == "invalid", key
                # A good use replaces the foreign hash, off the path of the answer.
                good = sum(key["code"] == "allowed" for key in keys)
                deadline = time.monotonic() + PATIENCE
                while sum(it.startswith("$hmac-sha256$") for it in verifiers(folder)) < good:
                    assert time.monotonic() < deadline, verifiers(folder)
                    time.sleep(0.05)
        *_, again = run(folder, file, *arguments)
        assert (again["imported"], again["existing"]) == (0, len(keys)), again


main()
