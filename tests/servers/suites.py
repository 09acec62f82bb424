"""Runs the suite that every store passes on each PostgreSQL server of a run, and on one behind PgBouncer.

suites.py [SERVER...]: all servers, or those that are named, as `15`. `servers.py` starts them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from client import Servers

CONTRACT = ["cargo", "test", "--quiet", "--package", "keywright-tests", "--test", "engine", "--", "every_check_of_the_contract"]
# The settings that the guide names for a pooler in transaction mode.
POOLED = "?prepared_statements=no&listen=no"


def main(names: list[str]) -> int:
    with Servers() as servers:
        stores = {it.rpartition("_")[2]: url for it, url in os.environ.items() if it.startswith("KEYWRIGHT_TEST_POSTGRES_")}
        if stores:
            stores["PgBouncer"] = servers("pooler", to=servers("versions")[-1])["url"] + POOLED
        else:
            stores["given"] = os.environ["KEYWRIGHT_TEST_POSTGRES"]
        if unknown := set(names) - set(stores):
            print(f"no server is named {', '.join(unknown)}; there are {', '.join(stores)}", file=sys.stderr)
            return 2
        failed = 0
        for store in names or stores:
            began = time.monotonic()
            code = subprocess.run(CONTRACT, env={**os.environ, "KEYWRIGHT_TEST_STORE": stores[store]}).returncode
            print(f"-- PostgreSQL, {store}: {'passed' if code == 0 else 'FAILED'}, {time.monotonic() - began:.0f} s", flush=True)
            failed += code != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
