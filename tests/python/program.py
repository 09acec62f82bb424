"""The program ``keywright`` of the wheel, and its server."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import PATIENCE, until

PROGRAM = str(Path(sys.executable).parent / "keywright")
PEPPER = "a pepper for the tests of the server, 32 bytes or more"
SETTINGS = """
url = "{url}"
brand = "acme"
pepper = "{pepper}"
busy_timeout = "5m"
{engine}
[server]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
{server}
[http]
{http}
"""


def environment(**more: str) -> dict[str, str]:
    """The environment of the tests without the settings in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")} | more


class Served:
    """A folder with settings, and the server that uses them."""

    def __init__(self, folder: Path, *, url: str = "sqlite:keys.db", engine: str = "", server: str = "", http: str = "") -> None:
        self.folder = folder
        # On a busy machine clients are slow; only tests of these limits shorten them.
        for name, value in [("header_timeout", "5m"), ("request_timeout", "5m"), ("log", "json")]:
            server += "" if name in server else f'\n{name} = "{value}"'
        (folder / "keywright.toml").write_text(SETTINGS.format(url=url, pepper=PEPPER, engine=engine, server=server, http=http))
        (folder / "keywright.toml").chmod(0o600)

    def run(self, *words: str) -> str:
        done = self.attempt(*words)
        assert done.returncode == 0, (words, done)
        return done.stdout.strip()

    def attempt(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([PROGRAM, *words], cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE)

    def create(self, *words: str) -> str:
        return self.run("keys", "create", "CI", "--quiet", *words)

    def start(self, *words: str, stdout: Any = None) -> Served:
        """Starts it with options and waits until it listens. Files take what it writes, so that no test waits at a pipe."""
        with (self.folder / "access.log").open("w") as log, (self.folder / "said").open("w") as said:
            command = [PROGRAM, "serve", *words]
            self.process = subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=stdout or log, stderr=said)
        until("the server listens, or has ended", lambda: self.said().count("\n") >= 2 or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        self.place, self.admin = (line.split()[-1] for line in self.said().splitlines()[:2])
        return self

    def said(self) -> str:
        return (self.folder / "said").read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, list[dict[str, Any]], str]:
        """Stops it, and returns its exit code, the access log and all that it has said."""
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        return code, [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()], self.said()

    def end(self) -> None:
        """Ends it, however its test went."""
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def port(self, place: str | None = None) -> int:
        return int((place or self.place).rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port()), timeout=PATIENCE)

    def metrics(self) -> str:
        return str(self.ask("GET", "/metrics", place=self.admin)[1])

    def ask(self, method: str, path: str, key: str | None = None, body: Any = None, *, place: str | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port(place), timeout=PATIENCE)
        return asked(connection, method, path, key, body)


def asked(connection: http.client.HTTPConnection, method: str, path: str, key: str | None, body: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if body is not None:
        headers["content-type"] = "application/json"
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    is_json = "json" in response.headers.get("content-type", "")
    return response.status, json.loads(text) if is_json else text.decode()
