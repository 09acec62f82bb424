"""Findings of ``keywright doctor`` about databases that the vectors cannot make."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from program import Served


def test_an_old_schema_is_told_until_it_is_migrated(tmp_path: Path) -> None:
    program = Served(tmp_path)
    steps = program.run("migrate", "--plan").split("-- Schema ")
    newest = len(steps) - 1
    program.run("migrate")
    (tmp_path / "keys.db").rename(tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "keys.db", isolation_level=None)) as old:
        for step in steps[1:-1]:
            old.executescript(f"-- {step}")
        # The row and the mark of a database that an earlier release has made.
        old.execute("ATTACH ? AS new", (str(tmp_path / "new.db"),))
        columns = ", ".join(row[1] for row in old.execute("PRAGMA main.table_info(meta)"))
        old.execute(f"INSERT INTO main.meta ({columns}) SELECT {columns} FROM new.meta")
        old.execute("UPDATE main.meta SET schema = ?", (newest - 1,))
        (mark,) = old.execute("PRAGMA new.application_id").fetchone()
        old.execute(f"PRAGMA main.application_id = {mark}")
    found = program.run("doctor", "--quiet")
    assert found == f"the database has schema {newest - 1}, and this release writes {newest}"
    program.run("migrate")
    assert program.run("doctor", "--quiet") == ""
