from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

pytest_plugins = ["keywright.testing.fixtures"]

PEPPER = "pepper for tests, thirty-two bytes or more"


@pytest.fixture
def keywright_options() -> dict[str, Any]:
    # On a busy machine many may wait for the file at once.
    return {"brand": "liq", "pepper": PEPPER, "busy_timeout": "5m"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints how many vectors ran, by engine."""
    found = [it.nodeid for it in terminalreporter.stats.get("passed", []) if "::test_case[" in it.nodeid]
    counts = Counter(it.partition("[")[2].partition("-")[0] for it in found)
    for mode, count in sorted(counts.items()):
        terminalreporter.write_line(f"vectors, {mode}: {count} passed")
