"""Runs PgBouncer in transaction mode in front of a server."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postgres import OWNER, PASSWORD, PATIENCE, Postgres, free_port, give, unprivileged

SETTINGS = {
    "listen_addr": "127.0.0.1",
    "auth_type": "scram-sha-256",
    "pool_mode": "transaction",
    "default_pool_size": "8",
    "max_client_conn": "400",
    "unix_socket_dir": "",
    "ignore_startup_parameters": "",
}


@dataclass
class Pooler:
    """A running PgBouncer."""

    server: Postgres
    folder: Path
    settings: dict[str, str]
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise RuntimeError("missing: PgBouncer (on Debian: the package pgbouncer); install it and run this again")
        self.port = self.port or free_port()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        users = self.folder / "users"
        users.write_text(f'"{OWNER}" "{PASSWORD}"\n', encoding="utf-8")
        given = {**SETTINGS, "listen_port": str(self.port), "auth_file": str(users), **self.settings}
        lines = ["[databases]", f"* = host={self.server.folder} port={self.server.port}"]
        lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in given.items())]
        (self.folder / "settings.ini").write_text("\n".join([*lines, ""]), encoding="utf-8")
        give(self.folder)
        with (self.folder / "log").open("ab") as log:
            command: list[str | Path] = [program, "--quiet", self.folder / "settings.ini"]
            running = self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", text=True, **unprivileged()
            )
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), PATIENCE).close()
                return
            except ConnectionRefusedError:
                if running.poll() is not None or time.monotonic() > ends:
                    said = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"PgBouncer did not start: {said}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)
            self.process = None

    def state(self) -> dict[str, Any]:
        return {"pid": self.process and self.process.pid, "port": self.port, "url": self.server.url(port=self.port)}
