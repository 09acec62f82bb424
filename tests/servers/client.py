"""The requests of a test in Python to the servers of its run."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

PATIENCE = 300


class Servers:
    """A connection. What was started through it ends with it."""

    def __init__(self) -> None:
        path = os.environ.get("KEYWRIGHT_TEST_SERVERS")
        if path is None:
            raise RuntimeError("the tests run through `bash tests/run.sh`, which starts their servers")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(path)
        self._lines = self._socket.makefile("rw", encoding="utf-8")

    def __call__(self, ask: str, name: str | None = None, **given: Any) -> Any:
        """Sends a request, and returns what it gives."""
        self._lines.write(json.dumps({"ask": ask, "name": name, **given}) + "\n")
        self._lines.flush()
        answer = json.loads(self._lines.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
