"""What the test apps of Python share: a set-up to read, and a server that stands until its input ends."""

from __future__ import annotations

import json
import socket
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn

from keywright import AsyncKeywright
from keywright.testing import ManualClock


def read() -> tuple[AsyncKeywright, dict[str, Any]]:
    """The engine of a set-up, and the set-up."""
    setup = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    clock = ManualClock(datetime.fromisoformat(setup["now"].replace("Z", "+00:00")))
    return AsyncKeywright(setup["url"], clock=clock, **setup["engine"]), setup


def told(passed: Any) -> dict[str, Any]:
    """What every app says of a request that was let in."""
    return {"principal": passed.principal, "key": passed.key and passed.key.name, "org": passed.org, "agent": passed.agent}


def serve(app: Any) -> None:
    """Serves on a free port, and says which."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", proxy_headers=False, server_header=False, date_header=False))

    def watch() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    print("listening", listening.getsockname()[1], flush=True)
    server.run(sockets=[listening])
