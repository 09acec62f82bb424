"""The program ``keywright`` of the wheel: every case of ``tests/vectors/cli.json``, and Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from program import PROGRAM, environment
from vectors import Case, load, matches, only
from waiting import PATIENCE, until

DOCUMENT = load("cli.json")


def filled(text: str, kept: dict[str, Any]) -> str:
    """A text with the fields of kept records in place of ``{name.field}``."""

    def field(found: re.Match[str]) -> str:
        value = kept[found[1]][found[2]]
        return value if isinstance(value, str) else json.dumps(value)

    return re.sub(r"\{(\w+)\.(\w+)\}", field, text)


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in DOCUMENT["tests"]])
def test_vector(case: Case, tmp_path: Path) -> None:
    only(case, "files", "readable", "env", "steps")
    for name, text in case.get("files", DOCUMENT["files"]).items():
        (tmp_path / name).write_bytes(text.encode())
        (tmp_path / name).chmod(0o644 if name in case.get("readable", []) else 0o600)
    kept: dict[str, Any] = {}
    for step in case["steps"]:
        only(step, "run", "stdin", "exit", "stdout", "stderr", "never", "json", "as")
        words = [PROGRAM, *(filled(word, kept) for word in step["run"])]
        stdin = filled(step.get("stdin", ""), kept)
        environ = environment(**case.get("env", {}))
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, cwd=tmp_path, env=environ, timeout=PATIENCE)
        assert done.returncode == step["exit"], (words, done)
        for name, text in [("stdout", done.stdout), ("stderr", done.stderr)]:
            if name in step:
                assert step[name] or not text, (words, text)
                assert all(filled(part, kept) in text for part in step[name]), (words, step[name], text)
        assert not any(filled(never, kept) in done.stdout + done.stderr for never in step.get("never", [])), (words, done)
        records = [json.loads(line) for line in done.stdout.splitlines()] if step.keys() & {"json", "as"} else []
        if "json" in step:
            matches(records if isinstance(step["json"], list) else records[0], step["json"], str(step["run"]))
        if "as" in step:
            kept[step["as"]] = records[0]


def test_every_case_is_counted() -> None:
    assert len({case["id"] for case in DOCUMENT["tests"]}) == DOCUMENT["count"] == load("manifest.json")["cli.json"]


def test_the_module_is_the_program() -> None:
    words = [sys.executable, "-m", "keywright", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout.startswith("keywright ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_program_that_waits(number: signal.Signals, tmp_path: Path) -> None:
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    words = [PROGRAM, "verify", "--brand", "acme", "--file", str(pipe)]
    child = subprocess.Popen(words, cwd=tmp_path, env=environment())
    opened: list[int] = []

    def is_read() -> bool:
        assert child.poll() is None
        with contextlib.suppress(OSError):
            # Without this flag the call would wait for a reader, for ever if there is none.
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    try:
        until("the program reads the pipe", is_read)
        child.send_signal(number)
        assert child.wait(PATIENCE) == -number
    finally:
        child.kill()
        child.wait(PATIENCE)
        for descriptor in opened:
            os.close(descriptor)
