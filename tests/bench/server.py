"""Starts a server that keeps what it is told, and measures on it: `server.py DATA FIGURES RUST PYTHON NODE`.

It runs beside tests/servers/servers.py, which starts the server.
"""

import os
import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.append(str(here.parent / "servers"))

from client import Servers  # noqa: E402
from postgres import OWNER, PASSWORD  # noqa: E402

SETTINGS = {
    "fsync": "on",
    "shared_buffers": "1GB",
    # Checkpoints would fall into some rounds and not into others.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
PEERS = ("drf", "better_auth")


def main() -> None:
    data, figures, rust, python, node = sys.argv[1:]
    with Servers() as servers:
        server = servers("postgres", settings=SETTINGS)
        for peer in PEERS:
            servers("sql", server["name"], statement=f"CREATE DATABASE {peer}")
        version = servers("sql", server["name"], statement="SHOW server_version")
        settings = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
        (Path(data) / "server.txt").write_text(f"PostgreSQL {version} on a Unix socket, {settings}", encoding="utf-8")
        # The drivers of both peers read these.
        login = {"PGHOST": server["socket"], "PGPORT": str(server["port"]), "PGUSER": OWNER, "PGPASSWORD": PASSWORD}
        rust_command = [rust, data, figures, server["url"], server["tcp_url"]]
        for command in (
            rust_command,
            [python, str(here / "python/postgres.py"), data, figures, server["url"], rust],
            ["node", f"{node}/postgres.mjs", data, figures, server["url"], rust],
        ):
            subprocess.run(command, check=True, env={**os.environ, **login})


main()
