"""The fixtures that the package gives to the tests of its users."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from waiting import PATIENCE

CONFTEST = 'pytest_plugins = ["keywright.testing.fixtures"]\n'
TESTS = """
import asyncio
import pytest

@pytest.fixture
def keywright_options():
    return {"brand": "acme", "scopes": ["deals:read"], "pepper": "x" * 32}

def test_expiry(kw, clock):
    new = kw.keys.create(name="CI", scopes="deals:read", expires_in_days=1)
    assert new.prefix.startswith("acme_live_")
    clock.advance(86_400_000 - 1)
    assert kw.verify(new.api_key)
    clock.advance(1)
    assert kw.verify(new.api_key).code == "expired"

def test_a_fresh_database(kw):
    assert kw.keys.list().data == []

def test_asyncio(async_kw, kw):
    async def main():
        return await async_kw.keys.create(name="CI")
    assert kw.verify(asyncio.run(main()).api_key)
"""


def test_fixtures_serve_another_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert "3 passed" in done.stdout, done.stdout + done.stderr
