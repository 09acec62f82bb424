"""Shared parts of the Python test apps: reading the set-up, and a server that runs until its input ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keywright import AsyncKeywright
from keywright.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


def read_options() -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the engine of a set-up, and the set-up."""
    setup = json.loads(Path(sys.argv[-1]).read_text(encoding="utf-8"))
    clock = ManualClock(datetime.fromisoformat(setup["now"].replace("Z", "+00:00")))
    return {"url": setup["url"], "clock": clock, **setup["engine"]}, setup


def read() -> tuple[AsyncKeywright, dict[str, Any]]:
    """The engine of a set-up, and the set-up."""
    options, setup = read_options()
    return AsyncKeywright(**options), setup


def told(passed: Any) -> dict[str, Any]:
    """The answer of every app to an allowed request."""
    return {"principal": passed.principal, "key": passed.key and passed.key.name, "org": passed.org, "agent": passed.agent}


RUNS: Counter[str] = Counter()


def counted(query: bytes) -> dict[str, int]:
    """The number of runs of a query."""
    RUNS[query.decode()] += 1
    return {"count": RUNS[query.decode()]}


def serve(app: Any) -> None:
    """Serves an ASGI application on a free port, and prints the port."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", proxy_headers=False, server_header=False, date_header=False))

    def stop() -> None:
        server.should_exit = True

    server.run(sockets=[listening(stop)])


def serve_wsgi(app: Any) -> None:
    """Serves a WSGI application with gunicorn on a free port, and prints the port."""
    from gunicorn.app.base import BaseApplication

    found = listening(lambda: os.kill(os.getpid(), signal.SIGTERM))
    options = {
        "bind": f"fd://{found.fileno()}",
        "worker_class": "gthread",
        "threads": 4,
        "limit_request_field_size": 0,
        "timeout": 300,
        "loglevel": "critical",
    }

    class Server(BaseApplication):
        def load_config(self) -> None:
            for name, value in options.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    Server().run()


def serve_wsgi_with_waitress(app: Any) -> None:
    """Serves a WSGI application with waitress on a free port, and prints the port."""
    from waitress.server import create_server

    stopping = threading.Event()
    server = create_server(app, sockets=[listening(stopping.set)], ident=None, clear_untrusted_proxy_headers=False)
    threading.Thread(target=server.run, daemon=True).start()
    stopping.wait()
    server.close()


def listening(stop: Callable[[], None]) -> socket.socket:
    """A socket on a free port, which is printed. The process ends with its input."""
    found = socket.create_server(("127.0.0.1", 0), backlog=64)

    def watch() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=watch, daemon=True).start()
    print("listening", found.getsockname()[1], flush=True)
    return found
