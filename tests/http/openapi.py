"""Compares the OpenAPI document with the answers of management.

openapi.py PART...: `vectors` compares every vector; `default` and `spelt` compare the requests of schemathesis, in each spelling; `program`
compares those to `keywright serve`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drive import PEER, PEPPER, VECTORS, Site, directly
from jsonschema_rs import Draft202012Validator
from serving import served

from keywright import Keywright
from keywright.asgi import Management

sys.path.append(str(Path(__file__).parents[1] / "python"))

from program import Served

if TYPE_CHECKING:
    from collections.abc import Callable

MANAGER = {"org": "acme", "actor": "alice", "may": "keys:manage keys:introspect audit:read orgs:manage", "every_org": True}
# Schemas cannot exclude the cursor of another list, a time in the past or an unknown tier; and a revoked key stays readable.
UNTOLD = "positive_data_acceptance,use_after_free"
EXAMPLES, SEED = 15, 1
# A spelling other than the default.
SPELT = {"path": "/api-keys", "casing": "camel", "list": "bare", "secret_field": "key", "revoked": "success", "nulls": "absent"}


def routes(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The operations, by method and path."""
    items = document["paths"].items()
    return {(it.upper(), path): operation for path, item in items for it, operation in item.items() if it != "parameters"}


def route(document: dict[str, Any], method: str, target: str) -> tuple[str, str]:
    """The operation of a request, or else the request itself."""
    path = target.partition("?")[0]
    found = (it for it in document["paths"] if re.fullmatch(it.replace("{id}", "[^/]+"), path))
    return method, path if path in document["paths"] else next(found, path)


def differs(document: dict[str, Any], asked: tuple[str, str], status: int, headers: dict[str, str], body: bytes) -> str | None:
    """The faults of an answer, according to the document."""
    operation = routes(document).get(asked)
    if operation is None:
        return None if status >= 400 else "is not in the document"
    told = operation["responses"].get(str(status)) or (operation["responses"].get("default") if status >= 400 else None)
    if told is None:
        return f"does not tell of {status}"
    if "$ref" in told:
        told = document["components"]["responses"][told["$ref"].rpartition("/")[2]]
    schema = told["content"].get(headers["content-type"], {}).get("schema")
    if schema is None:
        return f"does not tell of {headers['content-type']}"
    problems = Draft202012Validator({**schema, "components": document["components"]}).iter_errors(json.loads(body))
    return next((f"{it.instance_path}: {it.message}" for it in problems), None)


def vectors() -> int:
    """Sends all management requests of the vectors, and compares each answer with the document of its set-up."""
    cases = json.loads((VECTORS / "http.json").read_text(encoding="utf-8"))
    held, wrong = 0, 0
    known: set[str] = set()
    seen: set[str] = set()
    for name, setup in cases["setups"].items():
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder), setup)
            http = site.kw.http(**setup["http"])
            document = http.openapi()
            ask = directly(site)
            mount = setup["http"].get("path") or "/manage"
            for case in (it for it in cases["tests"] if it["setup"] == name):
                target = case["request"]["target"]
                if not target.startswith(mount) or not http.manages(target.encode()):
                    continue
                site.make(case.get("keys", {}))
                request = site.filled(case["request"])
                body = request.get("body", "")
                body = (body if isinstance(body, str) else json.dumps(body)).encode()
                status, headers, answer = ask(request["method"], request["target"], request["headers"], body)
                # Forward authentication and the scripts of the page for keys are not in the document, and HEAD is covered by GET.
                if not answer or "/forward-auth" in request["target"] or headers["content-type"].startswith("text/javascript"):
                    continue
                asked = route(document, request["method"], request["target"].removeprefix("/manage"))
                found = differs(document, asked, status, headers, answer)
                held, wrong = held + 1, wrong + bool(found)
                if found:
                    print(f"openapi: {case['id']}: {found}", file=sys.stderr)
                elif status < 300 and asked in routes(document):
                    seen.add(routes(document)[asked]["operationId"])
            known |= {it["operationId"] for it in routes(document).values()}
            site.kw.close()
    for operation in sorted(known - seen):
        print(f"openapi: no vector succeeds at {operation}", file=sys.stderr)
    print(f"openapi: {held} answers held to the document of {len(known)} routes, {wrong} differ")
    return wrong + len(known - seen)


def explored(**options: Any) -> int:
    """Runs schemathesis."""
    with tempfile.TemporaryDirectory() as folder, Keywright(f"sqlite:{folder}/keys.db", brand="liq", pepper=PEPPER) as kw:
        known = (b"authorization", b"Bearer manager")
        management = Management(kw, lambda scope: MANAGER if known in scope["headers"] else None, **options)
        document = Path(folder) / "openapi.json"
        document.write_text(json.dumps(kw.http(**options).openapi()), encoding="utf-8")
        with served(management) as port:
            return tested(document, f"http://{PEER}:{port}", "manager")


def program() -> int:
    """Runs schemathesis against the program, with the document that it serves."""
    with tempfile.TemporaryDirectory() as folder:
        server = Served(Path(folder), server=f'operators = "{MANAGER["org"]}"')
        manager = server.create("--org", str(MANAGER["org"]), "--scopes", f"keys:verify {MANAGER['may']}")
        server.start()
        try:
            document = Path(folder) / "openapi.json"
            document.write_text(json.dumps(server.ask("GET", "/openapi.json", manager)[1]), encoding="utf-8")
            return tested(document, server.place, manager)
        finally:
            server.end()


def tested(document: Path, url: str, token: str) -> int:
    """Runs schemathesis with a bearer token."""
    command: list[str | Path] = [Path(sys.executable).parent / "schemathesis", "run", document, "--url", url]
    command += ["--header", f"Authorization: Bearer {token}", "--exclude-checks", UNTOLD, "--seed", str(SEED)]
    command += ["--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=document.parent)
    if done.returncode != 0:
        print(done.stdout, done.stderr, file=sys.stderr)
    told = re.search(r"Test cases:\s+(.*)", done.stdout)
    print(f"schemathesis: {told[1] if told else 'nothing'}")
    return done.returncode


PARTS: dict[str, Callable[[], int]] = {
    "vectors": vectors,
    "default": explored,
    "spelt": partial(explored, **SPELT),
    "program": program,
}

if __name__ == "__main__":
    sys.exit(int(sum([PARTS[name]() for name in sys.argv[1:]]) > 0))
