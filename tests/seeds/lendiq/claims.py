"""The claims of the document of LendIQ. Its snippets run as they are typed, each on the database that the other has left."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from check import HERE, PATIENCE

from keywright import Keywright, ValidationFailed, _native

EXAMPLES: dict[str, str] = {}
FORMAT = "liq_{env}_{lookup:12}_{secret:32}{checksum:6}"
KEY = "liq_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}"
NAME = "Production Integration"
# A key with the id that the document revokes.
ROW = {
    "key_id": "456",
    "org": "default",
    "environment": "live",
    "lookup": "9mG719N4YNpb",
    "prefix": "liq_live_9mG719N4YNpb",
    "format": FORMAT,
    "verifier": "$hmac-sha256$v=1,p=0777ba43076281f0$nX79s8DRHXZVo4UuBgJr0elwx7Hnx2kShu6qJcxkWSY",
    "filter": None,
    "scopes": ["deals:read"],
}
PEPPER = "pepper for vectors, thirty-two bytes or more"
ROOT = HERE.parent.parent
SCOPES = {
    "deals:read": "Read deal details, health scores, and recommendations",
    "deals:write": "Create deals, trigger re-evaluation",
    "documents:read": "List and download documents",
    "documents:write": "Upload and delete documents",
    "rulesets:read": "List and view rulesets",
    "rulesets:write": "Create, update, and delete rulesets",
    "keys:manage": "Create and revoke API keys",
    "webhooks:manage": "Configure webhook endpoints",
}


class Snippets:
    """Both examples: their databases, sources and output."""

    def __init__(self, url: str) -> None:
        self.kw: dict[str, Keywright] = {}
        self.sources: dict[str, list[str]] = {}
        self.shown: dict[str, list[str]] = {}
        for language, source in (("Python", "example.py"), ("TypeScript", "example.mts")):
            options: dict[str, Any] = {"pepper": PEPPER, "key_format": FORMAT, "id_style": "integer", "scopes": SCOPES}
            self.kw[language] = kw = Keywright(f"{url}.{language}", **options)
            vars(_native)["_plant"](kw, ROW)  # only builds for tests have this
            self.sources[language] = [it.strip() for it in (HERE / "lendiq" / source).read_text("utf-8").splitlines()]
            done = run(HERE / "lendiq" / source, f"{url}.{language}")
            assert done.returncode == 0, done.stdout + done.stderr
            self.shown[language] = done.stdout.splitlines()

    def typed(self, line: str) -> str:
        """Returns the example that a line of the document belongs to."""
        found = [language for language, lines in self.sources.items() if line.strip() in lines]
        assert found, "no example has this line"
        return " and ".join(found)


def run(source: Path, url: str) -> subprocess.CompletedProcess[str]:
    if source.suffix == ".py":
        return subprocess.run([sys.executable, source, url, PEPPER], capture_output=True, text=True, timeout=PATIENCE)
    # Inside the repository, so that Node finds `keywright` as the package the program stands in.
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        program = Path(folder) / source.name
        program.write_text(source.read_text("utf-8"), "utf-8")
        compiler = [
            str(ROOT / "node_modules/typescript/bin/tsc"),
            "--module",
            "nodenext",
            "--target",
            "es2022",
            "--strict",
            "--types",
            "node",
        ]
        subprocess.run(["node", *compiler, program.name], cwd=folder, check=True)
        return subprocess.run(["node", program.with_suffix(".mjs"), url, PEPPER], capture_output=True, text=True, timeout=PATIENCE)


@contextmanager
def started(url: str) -> Iterator[Snippets]:
    """Both examples, run."""
    site = Snippets(url)
    try:
        yield site
    finally:
        for kw in site.kw.values():
            kw.close()


def both(site: Snippets, told: str) -> tuple[str, str]:
    return f"the snippet in {' and in '.join(site.shown)}", told


def prefixes(site: Snippets) -> tuple[str, str]:
    keys = site.kw["Python"].keys
    for environment in ("live", "test"):
        new = keys.create(name="One", environment=environment)
        assert new.api_key.startswith(f"liq_{environment}_"), "another prefix"
        keys.revoke(new.id)
    assert not site.kw["Python"].verify("liq_live_..."), "an example is let in"
    return "keys.create for live and for test", "liq_live_…, liq_test_…"


def created(site: Snippets) -> tuple[str, str]:
    for language, kw in site.kw.items():
        key = next(it for it in kw.keys.list() if it.name == NAME)
        assert (key.scopes, key.status) == (["deals:read", "deals:write", "documents:write"], "active"), key
        assert key.expires_at is not None, key
        assert key.expires_at - key.created_at == timedelta(days=365), language
    return both(site, "a key with three scopes, for 365 days")


def shown_key(site: Snippets) -> tuple[str, str]:
    for language, kw in site.kw.items():
        text = site.shown[language][0]
        assert re.fullmatch(KEY, text), "another format"
        assert kw.verify(text, scopes="deals:read,documents:write"), language
        assert not kw.verify(text, scopes="keys:manage"), language
    return both(site, "liq_live_…, which verifies")


def shown_id(site: Snippets) -> tuple[str, str]:
    for language, kw in site.kw.items():
        assert kw.keys.get(int(site.shown[language][1])).name == NAME, language
    return both(site, "an integer, the id of the key")


def shown_expiry(site: Snippets) -> tuple[str, str]:
    for language, kw in site.kw.items():
        expires_at = kw.keys.get(int(site.shown[language][1])).expires_at
        told = site.shown[language][2]
        assert datetime.fromisoformat(told.replace("Z", "+00:00")) == expires_at, told
    return both(site, site.shown["Python"][2])


def once(site: Snippets) -> tuple[str, str]:
    for language, kw in site.kw.items():
        text = site.shown[language][0]
        found = [repr(kw.keys.get(int(site.shown[language][1]))), *map(repr, kw.keys.list())]
        assert all(text not in it for it in found), "the key is shown again"
    return "keys.get, keys.list", "without the text"


def catalogue(site: Snippets) -> tuple[str, str]:
    session = {"org": "default", "may": "keys:read", "cookie": False}
    answer = site.kw["Python"].http(list="bare").manage("GET", b"/scopes", [], None, b"", session)
    told = "".join(sorted(f"{scope}{text}" for scope, text in SCOPES.items()))
    for part in SCOPES.items():
        assert all(it.encode() in answer.body for it in part), part
    try:
        site.kw["Python"].keys.create(name="x", scopes="deals:delete")
    except ValidationFailed as error:
        assert error.field == "scopes", error
    else:
        raise AssertionError("a scope that is in no catalogue is taken")
    return "GET /scopes; keys.create with another scope", f"the eight ({len(told)} letters); validation_failed"


def listed(site: Snippets) -> tuple[str, str]:
    for language, lines in site.shown.items():
        found = [it.split(" ") for it in lines[3:]]
        assert len(found) == 2, lines
        ids = {it[0] for it in found}
        assert ids == {"456", lines[1]}, ids
        new = next(it for it in found if it[0] == lines[1])
        assert " ".join(new[1:3]) == NAME, new
        assert lines[0].startswith(new[3] + "_"), new
        assert new[4] in ("None", "null"), language
    return both(site, " ".join(next(it for it in site.shown["Python"][3:] if NAME in it).split(" ")))


def gone(site: Snippets) -> tuple[str, str]:
    for language, kw in site.kw.items():
        assert kw.keys.get(456).status == "revoked", language
    return both(site, "456 is revoked")
