"""The tests of servers with several workers, which share limits, on another store or with another limiter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from client import PATIENCE

ROOT = Path(__file__).parents[2]
SERVERS = {
    "gunicorn": [sys.executable, "-m", "pytest", "-q", "tests/python/test_workers.py"],
    "Node's cluster": ["node", "--test", "tests/node/cluster.test.mjs"],
}


def run_workers(server: str, **variables: str) -> None:
    """Runs the tests of a server. Variables name the store and the limiter."""
    environment = {**os.environ, **variables}
    done = subprocess.run(SERVERS[server], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
