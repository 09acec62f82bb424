"""Starts a Redis, and measures limits beside it: `limiting.py DATA FIGURES EXAMPLES GOVERNOR PYTHON NODE DIVISOR`.

The checkers do one part in DIVISOR of their work. It runs beside tests/servers/servers.py, which starts the servers.
"""

import subprocess
import sys
from pathlib import Path

here = Path(__file__).parent
checker = here.parent / "checker"
sys.path.append(str(here.parent / "servers"))

from client import Servers  # noqa: E402


def main() -> None:
    data, figures, examples, governor, python, node, divisor = sys.argv[1:]

    def checked(name: str) -> list[str]:
        """A checker with its programs in three languages."""
        programs = {
            "rust": f"'{examples}/checker'",
            "python": f"'{python}' '{checker}/python/{name}.py'",
            "node": f"node '{checker}/node/{name}.mjs'",
        }
        given = [f"{language}={command}" for language, command in programs.items()]
        return [python, str(checker / f"{name}.py"), *given, "--figures", figures]

    def part(of: int, least: int) -> str:
        return str(max(least, of // int(divisor)))

    with Servers() as servers:
        version = [it for it in servers("redis_versions") if it.startswith("redis-")][-1]
        server = servers("redis", version=version)
        url = server["url"]
        (Path(data) / "server.txt").write_text(f"{version} on a Unix socket, without persistence", encoding="utf-8")
        for command in (
            [f"{examples}/limits", data, figures, url],
            [governor, figures],
            [python, str(here / "python/shared_limits.py"), data, figures, url],
            ["node", f"{node}/limits.mjs", data, figures, url, server["socket"]],
            [*checked("limits"), "--seconds", part(60, 2)],
            [*checked("quotas"), "--kills", part(12, 1), "--amount", part(1_000_000, 10_000)],
        ):
            subprocess.run(command, check=True)


main()
