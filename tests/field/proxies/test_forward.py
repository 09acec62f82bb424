"""Forward authentication behind a real proxy: GATEWAY names it, PROGRAM is its program."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from free_port import free_port
from proxies import GATEWAY, proxied, service
from serving import served

from keywright import Keywright
from keywright.asgi import Management

PEPPER = "pepper for tests, thirty-two bytes or more"
RULES = [
    {"method": "GET", "path": "/deals", "scopes": "deals:read"},
    {"method": "POST", "path": "/deals", "scopes": "deals:write"},
    {"path": "/health", "access": "public"},
]
TOLD = ["principal", "key", "org", "environment", "scopes", "agent"]
NOBODY = dict.fromkeys(TOLD, "(none)") | {"principal": "anyone"}

Lines = list[tuple[str, str]]


class Answer(NamedTuple):
    """The answer that the client gets, and the request that reached the service, if one did."""

    status: int
    headers: dict[str, list[str]]
    body: Any

    @property
    def lines(self) -> Lines:
        return [(name, value) for name, value in self.body["lines"]]

    @property
    def who(self) -> dict[str, str]:
        """The headers of Keywright as a service under CGI or WSGI reads them: `-` and `_` are the same, lines are joined."""
        found: dict[str, str] = {}
        for line, value in self.lines:
            name = line.lower().replace("_", "-").removeprefix("x-keywright-")
            if "keywright" in line.lower():
                found[name] = f"{found[name]},{value}" if name in found else value
        return found

    def sent(self, name: str) -> list[str]:
        return [value for known, value in self.lines if known.lower().replace("_", "-") == name]


class Site(NamedTuple):
    port: int
    kw: Keywright

    def key(self, **more: Any) -> str:
        return self.kw.org("acme").keys.create(**{"name": "CI", "scopes": "deals:read"} | more).api_key

    def ask(self, method: str, path: str, *lines: tuple[str, str], body: str = "", source: str = "127.0.0.1") -> Answer:
        """Sends the lines as they are, which no client library does."""
        length = [("Content-Length", str(len(body)))] if body else []
        head = "".join(f"{name}: {value}\r\n" for name, value in [("Host", "api.example"), *length, *lines])
        with socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(source, 0)) as sent:
            sent.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode())
            answer = HTTPResponse(sent, method=method)
            answer.begin()
            text = answer.read().decode()
        headers: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            headers.setdefault(name.lower(), []).append(value)
        return Answer(answer.status, headers, json.loads(text) if text.startswith("{") else text)


@contextmanager
def sited(folder: Path, **options: Any) -> Iterator[Site]:
    kw = Keywright(f"sqlite:{folder}/keys.db", brand="liq", pepper=PEPPER, limits={"key": {"rate": 1, "burst": 3}})
    app = Management(kw, forward_auth=GATEWAY, trusted_proxies=["127.0.0.1"], routes=RULES, agent_header="X-Agent-Id", **options)
    with served(app) as keywright, service() as api, proxied(folder / "proxy", keywright, api) as port:
        yield Site(port, kw)
    kw.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with sited(tmp_path_factory.mktemp("site")) as found:
        yield found


def spellings(name: str) -> Iterator[str]:
    """Every mix of `-` and `_`, and several of upper and lower case."""
    words = name.split("-")
    for joints in itertools.product("-_", repeat=len(words) - 1):
        joined = words[0] + "".join(joint + word for joint, word in zip(joints, words[1:], strict=True))
        yield from (joined, joined.upper(), joined.title())


def test_the_service_learns_who_asks(site: Site) -> None:
    new = site.kw.org("acme").keys.create(name="writer", scopes="deals:write,deals:read")
    lines = [("Api-Key", new.api_key), ("X-Agent-Id", "buyer-7")]
    answer = site.ask("POST", "/deals?x=1", *lines, body="a body")
    assert (answer.status, answer.body["body"]) == (200, "a body")
    key = {"principal": "key", "key": new.id, "org": "acme", "environment": "live", "scopes": "deals:read deals:write"}
    assert answer.who == {**key, "agent": "buyer-7"}
    assert site.ask("GET", "/health").who == NOBODY


def test_no_header_of_the_client_passes_for_one_of_ours(site: Site) -> None:
    new = site.kw.org("acme").keys.create(name="plain", scopes="deals:read")
    ours = {"principal": "key", "key": new.id, "org": "acme", "environment": "live", "scopes": "deals:read", "agent": "(none)"}
    for name in TOLD:
        for spelling in spellings(f"x-keywright-{name}"):
            forged = [(spelling, "forged"), (spelling, "twice")]
            assert site.ask("GET", "/health", *forged).who == NOBODY, spelling
    every = [(spelling, "forged") for name in TOLD for spelling in spellings(f"x-keywright-{name}")]
    assert site.ask("GET", "/health", *every).who == NOBODY
    assert site.ask("GET", "/deals", ("Api-Key", new.api_key), *every).who == ours


def test_connection_removes_none_of_ours(site: Site) -> None:
    names = [f"X-Keywright-{name.title()}" for name in TOLD]
    for value in [*names, ", ".join(names).lower(), "close, X_Keywright_Org , x-keywright-key", "X-Request-Id"]:
        answer = site.ask("GET", "/health", ("Connection", value), ("X-Keywright-Org", "forged"))
        assert answer.who == NOBODY, value
        assert len(answer.sent("x-request-id")) == 1
    answer = site.ask("GET", "/health", ("Connection", "close"), *(("Connection", name) for name in names))
    assert answer.who == NOBODY


def test_the_client_cannot_choose_which_request_is_judged(site: Site) -> None:
    names = ["X-Original-Method", "X-Original-URI", "X-Forwarded-Method", "X-Forwarded-Uri"]
    values = {"X-Original-Method": "GET", "X-Forwarded-Method": "GET"}
    forged = [(spelling, values.get(name, "/health")) for name in names for spelling in spellings(name)]
    for lines in ([], forged, [("Connection", ", ".join(names))], [*forged, ("Connection", ", ".join(names))]):
        assert site.ask("GET", "/deals", *lines).status == 401
        assert site.ask("POST", "/deals", ("Api-Key", site.key()), *lines, body="{}").status == 403
        assert site.ask("GET", "/deals", ("Api-Key", site.key()), *lines).status == 200


def test_the_address_of_the_client_counts(site: Site) -> None:
    text = site.key(networks=["127.0.0.2"])
    forged: Lines = [("X-Forwarded-For", "127.0.0.2"), ("X_Forwarded_For", "127.0.0.2"), ("X-Real-Ip", "127.0.0.2")]
    for lines in ([], forged, [("Connection", "X-Forwarded-For")], [*forged, ("Connection", "X-Forwarded-For")]):
        # Envoy refuses such a `Connection` by itself.
        assert site.ask("GET", "/deals", ("Api-Key", text), *lines, source="127.0.0.3").status in {400, 403}
    assert site.ask("GET", "/deals", ("Api-Key", text), source="127.0.0.2").status == 200


def test_what_belongs_to_an_answer_reaches_the_client(site: Site) -> None:
    new = site.kw.keys.create(name="turned", scopes="deals:read")
    site.kw.keys.rotate(new.id, grace="1h")
    lines = [("Api-Key", new.api_key), ("X-Request-Id", "mine"), ("X-Api-Key-Deprecated", "forged")]
    answer = site.ask("GET", "/deals", *lines)
    assert (answer.status, answer.sent("x-request-id")) == (200, ["mine"])
    if GATEWAY == "traefik":
        # Traefik passes no header of our answer on to the client; the service can.
        shown = {name: answer.sent(name) for name in ("x-api-key-deprecated", "x-api-key-grace-period-ends", "ratelimit")}
    else:
        shown = answer.headers
        assert shown["x-request-id"] == ["mine"]
    assert shown["x-api-key-deprecated"] == ["true"]
    assert [value[-1] for value in shown["x-api-key-grace-period-ends"]] == ["Z"]
    assert [value.partition(";")[0] for value in shown["ratelimit"]] == ['"key"']
    for text, refused in (("nonsense", 401), (new.api_key, 403)):
        answer = site.ask("POST", "/deals", ("Api-Key", text), ("X-Request-Id", "mine"), body="{}")
        assert (answer.status, answer.headers["x-request-id"]) == (refused, ["mine"])
    # No former secret, no such header.
    answer = site.ask("GET", "/deals", ("Api-Key", site.key()), ("X-Api-Key-Deprecated", "forged"))
    assert (answer.status, answer.headers.get("x-api-key-deprecated")) == (200, None)


def test_refusals_reach_the_client(site: Site) -> None:
    reader = site.key()
    answer = site.ask("GET", "/deals")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, ['Bearer realm="api"'])
    twice = [("Api-Key", reader), ("Authorization", f"Bearer {reader}")]
    refusals = [
        (401, "INVALID_API_KEY", site.ask("GET", "/deals", ("Api-Key", "nonsense"))),
        (403, "FORBIDDEN", site.ask("GET", "/users", ("Api-Key", reader))),
        (403, "INSUFFICIENT_SCOPE", site.ask("POST", "/deals", ("Api-Key", reader), body="{}")),
        (400, "INVALID_REQUEST", site.ask("GET", "/deals", *twice)),
    ]
    for status, code, answer in refusals:
        assert answer.status == status
        if GATEWAY != "nginx":
            assert (answer.headers["content-type"], answer.body["code"]) == (["application/problem+json"], code)
    # The service's own answer stays as it is.
    answer = site.ask("GET", "/deals?refuse", ("Api-Key", reader))
    assert (answer.status, answer.who["principal"]) == (403, "key")


def test_a_limit_reaches_the_client(site: Site) -> None:
    text = site.key()
    answers = [site.ask("GET", "/deals", ("Api-Key", text), ("X-Request-Id", "mine")) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429, 429]
    headers = answers[-1].headers
    assert 1 <= int(headers["retry-after"][0]) <= 60
    assert headers["ratelimit"][0].startswith('"key";r=0')
    assert headers["x-request-id"] == ["mine"]
    if GATEWAY != "nginx":
        assert answers[-1].body["code"] == "RATE_LIMITED"


def test_a_preflight_needs_a_key(site: Site) -> None:
    preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")]
    assert site.ask("OPTIONS", "/deals", *preflight).status == 401
    assert site.ask("OPTIONS", "/health", *preflight).who == NOBODY
    assert site.ask("OPTIONS", "/deals").status == 401


def test_a_preflight_passes_where_the_host_says_so(tmp_path: Path) -> None:
    preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")]
    forged = [(spelling, "forged") for name in TOLD for spelling in spellings(f"x-keywright-{name}")]
    with sited(tmp_path, preflight="pass") as passing:
        assert passing.ask("OPTIONS", "/deals", *preflight, *forged).who == NOBODY
        assert passing.ask("OPTIONS", "/deals").status == 401


def test_a_revocation_holds_behind_the_proxy(site: Site) -> None:
    new = site.kw.keys.create(name="short", scopes="deals:read")
    assert site.ask("GET", "/deals", ("Api-Key", new.api_key)).status == 200
    site.kw.keys.revoke(new.id)
    assert site.ask("GET", "/deals", ("Api-Key", new.api_key)).status == 401


def test_without_keywright_nobody_gets_in(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    with service() as api, proxied(tmp_path_factory.mktemp("alone") / "proxy", free_port(), api) as port:
        alone = Site(port, site.kw)
        for path in ("/health", "/deals"):
            assert alone.ask("GET", path, ("Api-Key", site.key())).status in {403, 500, 502, 503}


# Only nginx asks through a location of its own.
if GATEWAY == "nginx":

    def test_the_question_cannot_be_asked_from_outside(site: Site) -> None:
        assert site.ask("GET", "/_keywright", ("Api-Key", site.key())).status == 404
