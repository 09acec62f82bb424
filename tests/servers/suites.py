"""Runs the suites that every store passes on PostgreSQL and behind PgBouncer, and holds what was run against SQLite's run.

suites.py [--all] [NAME...]: everything on the newest version, the contract and the vectors in Rust on the others, and the contract behind
PgBouncer. --all runs everything on every store, and the HTTP vectors through more adapters. Names select stores (`15`, `PgBouncer`) and
suites (`node`). `servers.py` starts the servers.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from client import Servers
from traps import traps

URL = "KEYWRIGHT_TEST_POSTGRES"
VECTORS = Path(__file__).parents[1] / "vectors"
# The build of the step `rust`: with other packages it would be another one.
CARGO = "cargo test --quiet --workspace --test engine --test http --"
PYTEST = f"{sys.executable} -m pytest -q tests/python/test_vectors.py -k"
# One adapter of each language.
HTTP = "bash tests/http.sh contract fastapi express axum"
ADAPTERS = f"{HTTP} nest fastify hono request drf django-asgi django-wsgi litestar asgi wsgi flask tests/http/next.sh"
# The longest first.
SUITES = {
    "asyncio": f"{PYTEST} asyncio",
    "sync": f"{PYTEST} 'not asyncio'",
    "node": "node --test --test-reporter tap tests/node/vectors.test.mjs",
    "http": HTTP,
    "rust": f"{CARGO} every_vector_holds",
    "contract": f"{CARGO} every_check_of_the_contract",
    "limits": f"{CARGO} every_check_of --skip the_contract",
    "demo": "bash tests/demo.sh --built",
}
# The suites of the stores beside the newest version. Behind PgBouncer the vectors take minutes.
FEW = {"PgBouncer": ["contract"]}
FEW_OF_A_VERSION = ["contract", "rust"]
# The suites that run on SQLite too, to compare. The others hold the counts of the manifest themselves, as in their steps on SQLite.
COMPARED = ["rust", "contract", "demo"]
# The cases that a language does not have: they are of adapters, of the program, of webhooks, or of receipts as text.
ELSEWHERE = {"cli", "http", "receipt", "webhook"}
# The database behind PgBouncer, where every transaction may have another search path: no statement may depend on it.
TRAPPED = "trapped"
# The settings that the guide names for a pooler in transaction mode.
POOLED = "?prepared_statements=no&listen=no"
# The lines in which a suite says what it has run.
COUNTS = re.compile(
    r"^[.# ]*(vectors \w+: .*|contract: .*|shared limits: .*|limiters: .*|\d+ of \d+ as it should be\.|[\w-]+: \d+ cases.*)$", re.MULTILINE
)


@dataclass
class Run:
    """One suite on one store."""

    store: str
    suite: str
    command: str
    variables: dict[str, str]
    counts: list[str] = field(default_factory=list)
    passed: bool = False

    def __call__(self) -> Run:
        began = time.monotonic()
        ran = subprocess.run(shlex.split(self.command), env={**os.environ, **self.variables}, capture_output=True, text=True)
        self.counts = sorted(COUNTS.findall(ran.stdout))
        self.passed = ran.returncode == 0 and bool(self.counts)
        said = "".join(f"\n   {it}" for it in self.counts) if self.passed else f"\n{ran.stdout}\n{ran.stderr}"
        verdict = "passed" if self.passed else "FAILED"
        print(f"-- {self.store}, {self.suite}: {verdict}, {time.monotonic() - began:.0f} s{said}", flush=True)
        return self


def stores(servers: Servers) -> dict[str, dict[str, str]]:
    """The variables that name a store to its suites, the newest version first."""
    versions = [it for it in reversed(servers("versions")) if f"{URL}_{it}" in os.environ]
    if not versions:
        return {"given": variables(os.environ[URL], ["pg_dump", os.environ[URL]])}
    urls = {it: os.environ[f"{URL}_{it}"] for it in versions}
    dumps = {it: [servers("programs", it) + "/pg_dump", urls[it]] for it in versions}
    oldest = versions[-1]
    servers("sql", oldest, statement=f"create database {TRAPPED}")
    servers("sql", oldest, statement=traps(), database=TRAPPED)
    # A session that has seen hundreds of schemas is slow.
    pooler = servers("pooler", to=oldest, settings={"server_lifetime": "1"})
    url = pooler["url"].replace("/postgres", f"/{TRAPPED}") + POOLED
    dump = [it.replace("/postgres?", f"/{TRAPPED}?") for it in dumps[oldest]]
    return {**{it: variables(urls[it], dumps[it]) for it in versions}, "PgBouncer": variables(url, dump)}


def variables(url: str, dump: list[str]) -> dict[str, str]:
    # On a busy machine a verification may wait for seconds.
    return {"KEYWRIGHT_TEST_STORE": f"{url}&statement_timeout=1min&schema=", "KEYWRIGHT_TEST_DUMP": shlex.join(dump)}


def plan(found: dict[str, dict[str, str]], everywhere: bool, names: list[str]) -> list[Run]:
    """The runs, and those on SQLite that they are compared with."""
    if unknown := set(names) - {*found, *SUITES}:
        raise SystemExit(f"no store or suite is named {', '.join(sorted(unknown))}; there are {', '.join([*found, *SUITES])}")
    chosen_stores = [it for it in found if it in names] or list(found)
    chosen = [it for it in SUITES if it in names]
    runs = []
    for suite, command in SUITES.items():
        for store in chosen_stores:
            wanted = suite in chosen if chosen else everywhere or store == next(iter(found)) or suite in FEW.get(store, FEW_OF_A_VERSION)
            if wanted:
                runs.append(Run(store, suite, ADAPTERS if everywhere and suite == "http" else command, found[store]))
    compared = [it for it in COMPARED if any(run.suite == it for run in runs)]
    return [*runs, *(Run("SQLite", suite, SUITES[suite], {}) for suite in compared)]


def miscounted(run: Run, done: list[Run]) -> list[str]:
    """The differences between the counts of a run and those on SQLite."""
    on_sqlite = next((it.counts for it in done if (it.store, it.suite) == ("SQLite", run.suite)), run.counts)
    out = [] if run.counts == on_sqlite else [f"ran {run.counts}, and on SQLite {on_sqlite}"]
    manifest = json.loads((VECTORS / "manifest.json").read_text(encoding="utf-8"))
    cases = {name.removesuffix(".json"): str(count) for name, count in manifest.items()}
    for language, told in (line[8:].split(": ") for line in run.counts if line.startswith("vectors ") and ", and " not in line):
        ran = dict(it.split(" ") for it in told.split(", "))
        wanted = {name: count for name, count in cases.items() if name not in ELSEWHERE or name in ran}
        out += [] if ran == wanted else [f"{language} ran {ran}, and the manifest has {wanted}"]
    return out


def main(arguments: list[str]) -> int:
    everywhere = "--all" in arguments
    with Servers() as servers, ThreadPoolExecutor(os.cpu_count()) as threads:
        runs = plan(stores(servers), everywhere, [it for it in arguments if it != "--all"])
        done = list(threads.map(Run.__call__, runs))
    wrong = [f"-- {run.store}, {run.suite}: {it}" for run in done if run.passed for it in miscounted(run, done)]
    print("\n".join(wrong), end="\n" if wrong else "", flush=True)
    return int(bool(wrong) or not all(run.passed for run in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
