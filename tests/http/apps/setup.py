"""Shared parts of the Python test apps: reading the set-up, and a server that runs until its input ends.

A child process serves each set-up. The first process has imported the modules by then.
"""

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

import uvicorn
import uvicorn.protocols.http.h11_impl
from gunicorn.app.base import BaseApplication
from waitress.server import create_server

from keywright import AsyncKeywright
from keywright.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


def child() -> Path:
    """Forks a process for each set-up that the input names, and returns the set-up's file there. The child's input ends with its turn."""
    while path := sys.stdin.readline().strip():
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(writing)
            sys.stdin = os.fdopen(reading)
            return Path(path)
        os.close(reading)
        sys.stdin.readline()
        os.close(writing)
        os.waitpid(process, 0)
        print("closed", flush=True)
    sys.exit()


def read_options() -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the engine of a set-up, and the set-up."""
    setup = json.loads(child().read_text(encoding="utf-8"))
    clock = ManualClock(datetime.fromisoformat(setup["now"].replace("Z", "+00:00")))
    return {"url": setup["url"], "clock": clock, **setup["engine"]}, setup


def read() -> tuple[AsyncKeywright, dict[str, Any]]:
    """The engine of a set-up, and the set-up."""
    options, setup = read_options()
    return AsyncKeywright(**options), setup


def told(context: Any) -> dict[str, Any]:
    """The answer of every app to an allowed request."""
    return {"principal": context.principal, "key": context.key and context.key.name, "org": context.org, "agent": context.agent}


RUNS: Counter[str] = Counter()


def counted(query: bytes) -> dict[str, int]:
    """The number of runs of a query."""
    RUNS[query.decode()] += 1
    return {"count": RUNS[query.decode()]}


def serve(app: Any) -> None:
    """Serves an ASGI application on a free port, and prints the port."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", proxy_headers=False, server_header=False, date_header=False))

    def stop() -> None:
        server.should_exit = True

    server.run(sockets=[listening(stop)])


def serve_wsgi(app: Any) -> None:
    """Serves a WSGI application with gunicorn on a free port, and prints the port."""
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
