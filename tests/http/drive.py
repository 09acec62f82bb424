"""Runs the HTTP vectors on the contract in this process, or through an adapter over real sockets.

drive.py NAME [COMMAND...]: NAME is told; COMMAND starts a test app. Without one, the contract itself.

A line of its input gives the app a file with a set-up. It answers `listening` and its port, and stops serving at an empty line, which it
answers with `closed`: starting a process for each set-up takes most of the time.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import zlib
from base64 import b64encode
from contextlib import contextmanager
from datetime import datetime, timezone
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keywright import Keywright
from keywright.http import BY_RULE, AuthContext, Lease, Needs, Response
from keywright.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VECTORS = Path(__file__).parents[1] / "vectors"
PEPPER = "http vectors: a pepper of 32 bytes."
PEER = "127.0.0.1"
PATIENCE = 300
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# The paths that a host answers itself, without the contract.
HOSTS = ("/fail", "/own", "/crash", "/count")

# The request headers by which a framework itself varies its responses.
VARIES = {"next": "rsc, next-router-state-tree, next-router-prefetch, next-router-segment-prefetch, "}

# Frameworks whose guards stand directly in front of a handler, so that no CORS layer can be behind them.
ROUTES = {"fastapi", "litestar", "drf", "nest", "next"}

# Cases that a framework answers itself, before any route. It must refuse everybody.
BEFORE = {
    # Express does not decode it.
    "nest": {"rule-ambiguous-bad-percent"},
    "next": {
        "level-lread-purge",
        "level-lwrite-purge",
        "rule-ambiguous-double-slash",
        "rule-ambiguous-inner-double-slash",
        "rule-ambiguous-bad-percent",
        "several-slash",
        "several-rest-empty",
        "manage-unknown-path-double",
    },
}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


class Site:
    """One set-up: an engine on a new database, and its keys."""

    def __init__(self, folder: Path, setup: dict[str, Any]) -> None:
        self.setup = setup
        self.url = os.environ.get("KEYWRIGHT_TEST_STORE", f"sqlite:{folder}/") + f"kw_{secrets.token_hex(8)}"
        self.engine = {**setup["engine"], "pepper": PEPPER}
        self.clock = ManualClock(moment(setup["now"]))
        self.kw = Keywright(self.url, clock=self.clock, **self.engine)
        self.texts: dict[str, str] = {}
        self.secrets: list[str] = []
        self.make(setup["keys"])

    def make(self, keys: dict[str, Any]) -> None:
        for name, key in keys.items():
            self.clock.set(moment(key.get("at", self.setup["now"])))
            org = self.kw.org(key["org"])
            new = org.keys.create(**{"name": name, **key["create"]})
            self._keep(name, new)
            self.clock.set(moment(self.setup["now"]))
            for action, *arguments in key.get("then", []):
                given = arguments[0] if arguments else {}
                on, _, method = action.rpartition(".")
                if on == "org":
                    getattr(self.kw.orgs, method)(key["org"], **given)
                    continue
                after = getattr(org.keys, method)(new.id, **given)
                if method == "rotate":
                    self.texts[f"{name}.former"] = self.texts[name]
                    self._keep(name, after)

    def _keep(self, name: str, new: Any) -> None:
        text = new.api_key
        self.secrets.append(text[len(new.prefix) + 1 : -6])
        self.texts |= {
            name: text,
            f"{name}.id": new.id,
            f"{name}.prefix": new.prefix,
            f"{name}.escaped": text.replace("_", "%5F"),
            f"{name}.cut": text[:-1],
            f"{name}.upper": text.upper(),
            f"{name}.wrong": sealed(text),
        }

    def filled(self, given: Any) -> Any:
        """A value of a case, with the texts of keys in place of their names."""
        if isinstance(given, str):
            text = re.sub(r"\{([a-z]\w*(?:\.[a-z]+)?)\}", lambda it: self.texts.get(it[1], it[0]), given)
            return encoded(text)
        if isinstance(given, list):
            return [self.filled(it) for it in given]
        if isinstance(given, dict):
            return {name: self.filled(it) for name, it in given.items()}
        return given


def encoded(text: str) -> str:
    """A text as it is sent. Cases hold the id and secret of `Basic` without base64."""
    scheme, _, credentials = text.partition(" ")
    return f"Basic {b64encode(credentials.encode()).decode()}" if scheme == "Basic" and ":" in credentials else text


def sealed(text: str) -> str:
    """The text with another secret and the right checksum."""
    last = "a" if text[-7] != "a" else "b"
    body = text[:-7] + last
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return body + digits


Answered = tuple[int, dict[str, str], bytes]


def directly(site: Site) -> Callable[..., Answered]:
    """Asks the contract in this process."""
    http = site.kw.http(**site.setup["http"])

    def ask(method: str, target: str, headers: list[list[str]], body: bytes, needs: Needs | None = None) -> Answered:
        lines = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in headers]
        answer: AuthContext | Response
        mount = "" if "path" in site.setup["http"] else "/manage"
        if target.startswith(mount) and http.manages(target.encode()):
            answer = http.manage(method, target.removeprefix(mount).encode(), lines, PEER, body, site.setup["principal"])
        else:
            answer = http.authenticate(method, target.encode(), lines, PEER, needs)
        turn = http.once(answer, body) if isinstance(answer, AuthContext) and answer.once else None
        answer = turn if isinstance(turn, Response) else answer
        status = answer.status if isinstance(answer, Response) else 200
        shown: dict[str, str | None] = {}
        if not isinstance(answer, Response):
            key = answer.key.name if answer.key else None
            shown = {"principal": answer.principal, "key": key, "org": answer.org, "agent": answer.agent}
        body = answer.body if isinstance(answer, Response) else b"" if method == "HEAD" else json.dumps(shown).encode()
        if isinstance(turn, Lease):
            http.finish(turn, status, [(b"content-type", b"application/json")], body)
        return status, {name.decode(): value.decode() for name, value in answer.headers}, body

    return ask


class App:
    """A running test app."""

    def __init__(self, command: list[str]) -> None:
        self.name = command[-1]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def _asked(self, line: str) -> list[str]:
        """The words with which the app answers a line."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    @contextmanager
    def through(self, folder: Path, site: Site) -> Iterator[Callable[..., Answered]]:
        """Asks the app over a socket while it serves a set-up."""
        given = folder / "setup.json"
        given.write_text(json.dumps({**site.setup, "url": site.url, "engine": site.engine}), encoding="utf-8")
        match self._asked(str(given)):
            case ["listening", number]:
                port = int(number)
            case _:
                raise SystemExit(f"{self.name} did not start")

        def ask(method: str, target: str, headers: list[list[str]], body: bytes, _needs: None = None) -> Answered:
            lines = [f"{method} {target} HTTP/1.1", f"host: {PEER}:{port}", "connection: close"]
            lines += [f"{name}: {value}" for name, value in headers]
            if body or method not in ("GET", "HEAD", "DELETE", "OPTIONS"):
                lines.append(f"content-length: {len(body)}")
            return sent(port, "\r\n".join([*lines, "", ""]).encode() + body, method)

        ask.port = port  # type: ignore[attr-defined]
        yield ask
        if self._asked("") != ["closed"]:
            raise SystemExit(f"{self.name} did not stop")

    def end(self) -> None:
        """Waits until the app has ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()


def sent(port: int, request: bytes, method: str) -> Answered:
    with socket.create_connection((PEER, port), PATIENCE) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection, method=method)
        response.begin()
        headers: dict[str, str] = {}
        for name, value in response.getheaders():
            headers[name.lower()] = ", ".join(it for it in (headers.get(name.lower()), value) if it)
        return response.status, headers, response.read()


def differences(found: Any, wanted: Any, place: str = "") -> list[str]:
    if wanted == "*":
        return [] if found not in (None, "", [], {}) else [f"{place} is missing"]
    if wanted == "uuid":
        return [] if isinstance(found, str) and UUID.fullmatch(found) else [f"{place} is {found!r} and no UUID"]
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [it for name in wanted for it in differences(found.get(name), wanted[name], f"{place}.{name}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [it for at, (one, other) in enumerate(zip(found, wanted, strict=True)) for it in differences(one, other, f"{place}[{at}]")]
    return [] if found == wanted else [f"{place} is {found!r} and not {wanted!r}"]


def names(shown: Any) -> list[str]:
    """The fields of a body, or of the first item of a list, in their order."""
    return list(shown[0] if isinstance(shown, list) else shown)


def wrong(name: str, site: Site, case: dict[str, Any], ask: Callable[..., Answered]) -> list[str]:
    """The differences between the response and the case."""
    site.make(case.get("keys", {}))
    response = site.filled(case["response"])
    needs = BY_RULE if case.get("guard") == "route" else None
    for request in site.filled([*case.get("before", []), *[case["request"]] * case.get("repeat", 1)]):
        body = request.get("body", "")
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
        status, headers, answer = ask(request["method"], request["target"], request["headers"], body, needs)
    if case["id"] in BEFORE.get(name, ()):
        return [f"lets in with {status}"] if status < 300 else []
    headers |= {it: headers[it].replace(VARIES.get(name, ""), "") for it in headers if it == "vary"}
    out = [f"status is {status} and not {response['status']}"] if status != response["status"] else []
    out += [f"{it} in headers" for it in differences(headers, response["headers"])]
    if response["body"] is None:
        out += [f"the body is {answer!r} and not empty"] if answer else []
    elif response["body"] != "*":
        out += differences(json.loads(answer or b"null"), response["body"], "body")
    out += differences(names(json.loads(answer or b"null")), response["names"], "names") if "names" in response else []
    if status >= 400 and any(it in answer.decode("utf-8", "replace") + str(headers) for it in site.secrets):
        out.append("a secret is echoed")
    return out


def odd(key: str) -> dict[str, bytes]:
    """Requests that no client should send, each with a valid key in it."""
    head = b"GET /v1/deals HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    line = b"authorization: Bearer " + key.encode()
    return {
        "two header lines": head + line + b"\r\n" + line + b"\r\n\r\n",
        "obs-text": head + line + b"\xff\xfe\r\n\r\n",
        "64 KiB in a header": head + line + b"x" * 65_536 + b"\r\n\r\n",
        "a thousand headers": head
        + line
        + b"\r\n"
        + line.replace(b"authorization", b"api-key")
        + b"".join(b"\r\nx-%d: y" % it for it in range(1_000))
        + b"\r\n\r\n",
        "NUL in the key": head + line + b"\0\r\n\r\n",
        "NUL in the target": head.replace(b"/v1/deals", b"/v1\0/deals") + b"\r\n",
        "a folded header": head + b"authorization: Bearer\r\n " + key.encode() + b"x\r\n\r\n",
        "space before the colon": head + line.replace(b":", b" :") + b"\r\n\r\n",
        "length and chunks": head.replace(b"GET", b"POST") + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "two lengths": head.replace(b"GET", b"POST") + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        "no request at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        "no method": b" /v1/deals HTTP/1.1\r\nhost: x\r\n" + line + b"\r\n\r\n",
        "half a request": head + line,
        "pipelined": head.replace(b"close", b"keep-alive") + b"\r\n" + head + b"authorization: Bearer x\r\n\r\n",
    }


def stands(name: str, request: bytes, port: int) -> list[str]:
    """The faults of the answer to an odd request: there must be none, or a 4xx."""
    with socket.create_connection((PEER, port), PATIENCE) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        except TimeoutError:
            return [f"{name}: hangs"]
        except OSError:
            return []  # Closed in the middle of it: a refusal as well.
    statuses = [int(it) for it in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]
    return [f"{name}: answered with {it}" for it in statuses if not 400 <= it < 500]


def cut(site: Site, port: int) -> list[str]:
    """The faults after requests that break off: half a request may have no effect."""
    site.make({"cut": {"org": "default", "create": {}}})
    line = b"authorization: Bearer " + site.texts["cut"].encode() + b"\r\ncontent-type: application/json\r\n"
    head = b"DELETE /manage/whoami HTTP/1.1\r\nhost: x\r\n" + line
    out = []
    for what, request in {
        "nothing of a body": head + b"content-length: 5\r\n\r\n",
        "a chunk without an end": head + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "half a chunk": head + b"transfer-encoding: chunked\r\n\r\n5\r\n{}",
        "no chunk": head + b"transfer-encoding: chunked\r\n\r\n",
    }.items():
        out += [it for it in stands(what, request, port) if not it.endswith("hangs")]
        # The server finishes with the broken request before it accepts another one.
        kept = b"GET /manage/whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + line + b"\r\n"
        if sent(port, kept, "GET")[0] != 200:
            out.append(f"{what}: was taken for the whole")
            site.make({"cut": {"org": "default", "create": {}}})
    return out


def follows(key: str, port: int) -> list[str]:
    """The faults of several requests on one connection: none may enter with the key of another."""
    head = b"GET /v1/deals HTTP/1.1\r\nhost: x\r\n"
    known = head + b"authorization: Bearer " + key.encode() + b"\r\n\r\n"
    with socket.create_connection((PEER, port), PATIENCE) as connection:
        connection.sendall(known + head + b"\r\n" + known + head + b"connection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    statuses = [int(it) for it in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]
    return [] if statuses == [200, 401, 200, 401] else [f"requests on one connection: answered with {statuses}"]


def main(name: str, command: list[str]) -> int:
    document = json.loads((VECTORS / "http.json").read_text(encoding="utf-8"))
    expected = json.loads((VECTORS / "manifest.json").read_text(encoding="utf-8"))["http.json"]
    if command:
        guard = "route" if name in ROUTES else "application"
        cases = [it for it in document["tests"] if it.get("guard", guard) == guard]
    else:
        cases = [it for it in document["tests"] if it["request"]["target"].partition("?")[0] not in HOSTS]
    app = App(command) if command else None
    failed, ran, oddities = 0, 0, 0
    for setup, given in document["setups"].items():
        with tempfile.TemporaryDirectory() as folder:
            site = Site(Path(folder), given)
            with app.through(Path(folder), site) if app else _plain(directly(site)) as ask:
                for case in (it for it in cases if it["setup"] == setup):
                    try:
                        found = wrong(name, site, case, ask)
                    except (OSError, HTTPException, ValueError) as trouble:
                        found = [f"{type(trouble).__name__}: {trouble}"]
                    ran += 1
                    failed += bool(found)
                    for it in found:
                        print(f"{name}: {case['id']}: {it}", file=sys.stderr)
                if app and setup == "plain":
                    port, key = ask.port, site.texts["reader"]  # type: ignore[attr-defined]
                    found = [it for what, request in odd(key).items() for it in stands(what, request, port)]
                    found += follows(key, port) + cut(site, port)
                    oddities = len(odd(key)) + 5
                    failed += len(found)
                    for it in found:
                        print(f"{name}: {it}", file=sys.stderr)
            site.kw.close()
    if app:
        app.end()
    before = BEFORE.get(name, set()) - {it["id"] for it in cases}
    own = f" ({len(BEFORE[name])} of them answered before any route)" if name in BEFORE else ""
    print(f"{name}: {ran} cases{own}, {oddities} odd requests, {failed} failed")
    # Cases with an unknown set-up would not have run.
    return int(
        failed > 0 or len(before) > 0 or ran != len(cases) or document["count"] != len(document["tests"]) or document["count"] != expected
    )


@contextmanager
def _plain(ask: Callable[..., Answered]) -> Iterator[Callable[..., Answered]]:
    yield ask


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
