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
    """Prints how many cases of each vector file passed, by engine."""
    found = [it.nodeid.partition("::test_case[")[2] for it in terminalreporter.stats.get("passed", [])]
    counts = Counter(tuple(it.split(".json-")[0].split("-")) for it in found if it)
    for mode in sorted({mode for mode, _ in counts}):
        files = [f"{name} {count}" for (of, name), count in counts.items() if of == mode]
        terminalreporter.write_line(f"vectors {mode}: {', '.join(files)}")
