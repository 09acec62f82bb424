"""Starts a Redis, and measures limits beside it: `limiting.py DATA FIGURES RUST GOVERNOR PYTHON NODE SECONDS CHECKER...`.

It runs beside tests/servers/servers.py, which starts the server.
"""

import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
sys.path.append(str(here.parent / "servers"))

from client import Servers  # noqa: E402


def main() -> None:
    data, figures, rust, governor, python, node, seconds, *checked = sys.argv[1:]
    with Servers() as servers:
        version = [it for it in servers("redis_versions") if it.startswith("redis-")][-1]
        server = servers("redis", version=version)
        url = server["url"]
        (Path(data) / "server.txt").write_text(f"{version} on a Unix socket, without persistence", encoding="utf-8")
        for command in (
            [rust, data, figures, url],
            [governor, figures],
            [python, str(here / "python/shared_limits.py"), data, figures, url],
            ["node", f"{node}/limits.mjs", data, figures, url, server["socket"]],
            [python, str(here.parent / "checker/limits.py"), *checked, "--seconds", seconds, "--figures", figures],
        ):
            subprocess.run(command, check=True)


main()
