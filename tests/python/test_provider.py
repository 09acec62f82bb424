"""Session tokens of an identity provider, whose keys the engine fetches: with a real one, and with hostile ones."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from forks import ended, forked
from keywright import AsyncKeywright, Keywright
from keywright.http import AuthContext, Http
from keywright.testing import ManualClock
from program import Served
from provider import AUDIENCE, Key, RealProvider, Stub, certificates, stub
from waiting import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

PEPPER = "pepper for tests, thirty-two bytes or more"


@pytest.fixture
def real() -> Iterator[RealProvider]:
    made = RealProvider()
    yield made
    made.end()


@pytest.fixture
def provider() -> Iterator[Stub]:
    with stub() as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(timezone.utc))


class Api:
    """An engine whose routes take sessions, and what its listener heard."""

    def __init__(self, folder: Path, clock: ManualClock | None, **session: Any) -> None:
        self.heard: list[Any] = []
        self.kw = Keywright(f"sqlite:{folder / 'keys.db'}", brand="liq", pepper=PEPPER, clock=clock, on_event=self.heard.append)
        self.http: Http = self.kw.http(session={"audience": AUDIENCE, **session}, routes=[{"path": "/", "access": "session"}])

    def ask(self, token: str) -> int:
        """The status of a request with a token."""
        answer = self.http.authenticate("GET", b"/", [(b"authorization", b"Bearer " + token.encode())])
        return 200 if isinstance(answer, AuthContext) else answer.status

    def told(self) -> list[str]:
        """Returns the events about the provider so far, without the reasons."""
        return [it.kind for it in list(self.heard) if it.kind.startswith("provider_")]


@pytest.fixture
def api(tmp_path: Path, provider: Stub, clock: ManualClock) -> Iterator[Api]:
    made = Api(tmp_path, clock, issuer=provider.url)
    yield made
    made.kw.close()


def test_a_real_provider_rotates_goes_down_and_comes_back(real: RealProvider, tmp_path: Path, clock: ManualClock) -> None:
    api = Api(tmp_path, clock, issuer=real.issuer, max_outage="6h")
    assert real.ask("requests") == 0
    first = real.ask("token")
    assert api.ask(first) == 200
    answer = api.http.manage("GET", b"/keys", [(b"authorization", b"Bearer " + first.encode())], None, b"")
    assert answer.status == 200
    # A key that signs since the last fetch is found with its first token, at most once a minute, whatever its kind.
    for algorithm in ("ES256", "EdDSA"):
        clock.advance(timedelta(minutes=1))
        real.ask("rotate", algorithm)
        assert api.ask(real.ask("token")) == 200
        assert api.ask(first) == 401, "the provider has dropped its key"
    last = real.ask("token")
    real.ask("down")
    clock.advance(timedelta(hours=5))
    assert [api.ask(last) for _ in range(3)] == [200] * 3
    until("the outage is told", lambda: api.told() == ["provider_failed"])
    clock.advance(timedelta(hours=1, minutes=1))
    assert [api.ask(last), api.ask(first)] == [503, 503]
    real.ask("up")
    clock.advance(timedelta(minutes=1))
    assert [api.ask(last), api.ask(first)] == [200, 401]
    until("the end is told", lambda: api.told() == ["provider_failed", "provider_recovered"])
    api.kw.close()


def test_the_server_takes_tokens_of_a_real_provider(real: RealProvider, tmp_path: Path) -> None:
    served = Served(tmp_path, http=f'[http.session]\nissuer = "{real.issuer}"\naudience = "{AUDIENCE}"')
    try:
        served.start()
        assert served.ask("GET", "/whoami", real.ask("token"))[1]["actor"] == "alice"
        assert served.ask("GET", "/keys", real.ask("token"))[0] == 200
        assert served.stop()[0] == 0
    finally:
        served.end()


def test_only_what_the_issuer_signed_for_this_audience_is_let_in(api: Api, provider: Stub) -> None:
    key = Key()
    provider.publish(key)
    # A token that no key could make good causes no request.
    now = int(time.time())
    for claims in ({"iss": "https://evil.example"}, {"aud": "other"}, {"exp": now - 1}, {"nbf": now + 3600}, {"org": "a b"}):
        assert api.ask(key.sign(provider.url, **claims)) == 401
    good = {"iss": provider.url, "aud": AUDIENCE, "sub": "alice", "org": "acme", "exp": now + 3600}
    unsigned = jwt.encode(good, "", algorithm="none")
    with_secret = jwt.encode(good, b"s" * 32, algorithm="HS256", headers={"kid": "1"})
    assert [api.ask(unsigned), api.ask(with_secret)] == [401, 401]
    assert provider.asked == []
    assert api.ask(key.sign(provider.url)) == 200
    assert api.ask(Key().sign(provider.url)) == 401, "another key with the same kid"
    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]


def test_a_public_key_is_no_secret_and_kids_may_be_shared(api: Api, provider: Stub) -> None:
    one, other = Key("same"), Key("same")
    provider.publish(one, other)
    published = json.dumps(one.public).encode()

    def part(it: bytes) -> bytes:
        return urlsafe_b64encode(it).rstrip(b"=")

    claims = {"iss": provider.url, "aud": AUDIENCE, "sub": "alice", "org": "acme", "exp": int(time.time()) + 3600}
    assert [api.ask(one.sign(provider.url)), api.ask(other.sign(provider.url))] == [200, 200]
    # PyJWT refuses to take a public key for a secret, so these tokens are written by hand.
    for secret in (published, one.pem):
        message = part(json.dumps({"alg": "HS256", "kid": "same"}).encode()) + b"." + part(json.dumps(claims).encode())
        signature = part(hmac.new(secret, message, hashlib.sha256).digest())
        assert api.ask((message + b"." + signature).decode()) == 401


def test_secrets_that_a_provider_publishes_sign_nothing(api: Api, provider: Stub) -> None:
    key, secret = Key(), "A" * 43
    provider.publish(key)
    provider.send("/jwks", {"keys": [{"kty": "oct", "kid": "s", "alg": "HS256", "k": secret}, key.public]})
    claims = {"iss": provider.url, "aud": AUDIENCE, "sub": "alice", "org": "acme", "exp": int(time.time()) + 3600}
    assert api.ask(jwt.encode(claims, b"\0" * 32, algorithm="HS256", headers={"kid": "s"})) == 401
    assert api.ask(key.sign(provider.url)) == 200


def drip(request: BaseHTTPRequestHandler) -> None:
    """Sends a byte now and then, until the client has had enough."""
    request.send_response(200)
    request.send_header("content-length", "100000")
    request.end_headers()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        request.wfile.write(b" ")
        request.wfile.flush()
        time.sleep(0.05)


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


HOSTILE: dict[str, tuple[Callable[[Stub, Key, Stub], Any], str]] = {
    "redirect": (lambda it, own, evil: it.send("/jwks", b"", status=302, location=f"{evil.url}/jwks"), "redirect"),
    "discovery-redirect": (
        lambda it, own, evil: it.send("/.well-known/openid-configuration", b"", status=307, location=f"{evil.url}/jwks"),
        "redirect",
    ),
    "elsewhere": (lambda it, own, evil: it.publish(own, jwks_uri=f"{evil.url}/jwks"), "another server"),
    "other-issuer": (lambda it, own, evil: it.publish(own, issuer=f"{it.url}/"), "letter for letter"),
    "huge": (lambda it, own, evil: it.send("/jwks", {"keys": [own.public], "more": "x" * 300_000}), "larger than 256 KiB"),
    "slow": (lambda it, own, evil: it.answers.update({"/jwks": drip}), "within 5 seconds"),
    "hangs-up": (lambda it, own, evil: it.answers.update({"/jwks": hang_up}), "closed the connection"),
    "status": (lambda it, own, evil: it.send("/jwks", {"keys": [own.public]}, status=500), "status 500"),
    "missing": (lambda it, own, evil: it.answers.pop("/jwks"), "no document there"),
    "no-json": (lambda it, own, evil: it.send("/jwks", b"<html>"), "no JWKS document"),
    "private": (lambda it, own, evil: it.send("/jwks", {"keys": [{**own.public, "d": "AQ"}]}), "private key"),
    "empty": (lambda it, own, evil: it.send("/jwks", {"keys": []}), "holds no key"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_provider_gets_nobody_in(name: str, api: Api, provider: Stub) -> None:
    key = Key()
    spoil, reason = HOSTILE[name]
    provider.publish(key)
    with stub() as evil:
        evil.publish(key)
        spoil(provider, key, evil)
        token = key.sign(provider.url)
        assert api.ask(token) == 503
        assert evil.asked == []
    until("the failure is told", lambda: api.heard)
    assert api.told() == ["provider_failed"]
    assert reason in api.heard[0].reason and token not in api.heard[0].reason
    # Until a second has passed nobody is asked again.
    asked = len(provider.asked)
    assert api.ask(token) == 503 and len(provider.asked) == asked


@pytest.mark.parametrize("name", ["private", "empty"])
def test_keys_that_the_provider_takes_back_end_at_once_and_others_stay(name: str, api: Api, provider: Stub, clock: ManualClock) -> None:
    key = Key()
    provider.publish(key)
    token = key.sign(provider.url)
    assert api.ask(token) == 200
    for spoil, _ in (HOSTILE["status"], HOSTILE["no-json"], HOSTILE["redirect"]):
        spoil(provider, key, provider)
        clock.advance(timedelta(hours=2))
        assert api.ask(token) == 200, "an outage takes nothing back"
    HOSTILE[name][0](provider, key, provider)
    clock.advance(timedelta(minutes=2))
    api.ask(token)
    until("the keys are gone", lambda: api.ask(token) == 503)


def test_a_removed_key_ends_with_the_life_of_the_document(api: Api, provider: Stub, clock: ManualClock) -> None:
    old, new = Key("old"), Key("new")
    provider.publish(old, new)
    provider.send("/jwks", {"keys": [old.public, new.public]}, cache_control="max-age=600")
    assert api.ask(old.sign(provider.url)) == 200
    provider.send("/jwks", {"keys": [new.public]}, cache_control="max-age=600")
    clock.advance(timedelta(minutes=7))
    assert api.ask(old.sign(provider.url)) == 200
    clock.advance(timedelta(minutes=3))
    assert [api.ask(old.sign(provider.url)), api.ask(new.sign(provider.url))] == [401, 200]


def test_the_next_document_is_fetched_behind_an_answer(api: Api, provider: Stub, clock: ManualClock) -> None:
    old, new = Key("old"), Key("new")
    provider.publish(old)
    assert api.ask(old.sign(provider.url)) == 200
    provider.publish(new)
    clock.advance(timedelta(minutes=50))
    assert api.ask(old.sign(provider.url)) == 200
    until("the next document is there", lambda: api.ask(old.sign(provider.url)) == 401)
    assert api.ask(new.sign(provider.url)) == 200 and len(provider.asked) == 4


def test_a_flood_of_unknown_keys_causes_one_fetch_a_minute(api: Api, provider: Stub, clock: ManualClock) -> None:
    key = Key()
    provider.publish(key)
    good = key.sign(provider.url)
    assert api.ask(good) == 200
    strangers = []
    for number in range(40):
        key.kid = f"unknown-{number}"
        strangers.append(key.sign(provider.url))
    for asked in (2, 4):
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(api.ask, strangers * 5)) == {401}
        assert len(provider.asked) == asked
        assert api.ask(good) == 200
        clock.advance(timedelta(minutes=1))


def test_many_callers_share_the_first_fetch_and_none_is_refused(api: Api, provider: Stub) -> None:
    key, together = Key(), threading.Barrier(16)
    provider.publish(key)
    token = key.sign(provider.url)

    def ask(_: int) -> int:
        together.wait(PATIENCE)
        return api.ask(token)

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {200}
    assert len(provider.asked) == 2


def test_asyncio_goes_on_while_a_fetch_runs(provider: Stub, tmp_path: Path) -> None:
    key, asked, go_on = Key(), threading.Event(), threading.Event()
    provider.publish(key)
    send = provider.answers["/jwks"]

    def wait(request: BaseHTTPRequestHandler) -> None:
        asked.set()
        go_on.wait(PATIENCE)
        send(request)

    provider.answers["/jwks"] = wait

    async def main() -> None:
        kw = AsyncKeywright(f"sqlite:{tmp_path / 'keys.db'}", brand="liq", pepper=PEPPER)
        await kw.open()
        http = kw.http(session={"issuer": provider.url, "audience": AUDIENCE}, routes=[{"path": "/", "access": "session"}])
        line = [(b"authorization", b"Bearer " + key.sign(provider.url).encode())]
        request = asyncio.ensure_future(http.authenticate("GET", b"/", line, None))
        while not asked.is_set():
            await asyncio.sleep(0.005)
        # The loop runs while the provider takes its time.
        assert not request.done()
        go_on.set()
        assert isinstance(await request, AuthContext)
        await kw.close()

    asyncio.run(main())


def test_closing_ends_a_fetch(api: Api, provider: Stub) -> None:
    key = Key()
    provider.publish(key)
    provider.answers["/jwks"] = drip
    token = key.sign(provider.url)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(api.ask, token)
        until("the provider was asked", lambda: "/jwks" in provider.asked)
        api.kw.close()
        assert request.result(PATIENCE) == 503
    asked = len(provider.asked)
    assert api.ask(token) == 503 and len(provider.asked) == asked


def test_a_forked_child_fetches_for_itself(api: Api, provider: Stub, clock: ManualClock) -> None:
    old, new = Key("old"), Key("new")
    provider.publish(old)
    assert api.ask(old.sign(provider.url)) == 200
    clock.advance(timedelta(minutes=1))
    provider.publish(new)

    def child() -> None:
        assert [api.ask(new.sign(provider.url)), api.ask(old.sign(provider.url))] == [200, 401]

    assert ended(forked(child)) == 0
    assert api.ask(old.sign(provider.url)) == 200, "the parent has not asked yet"


def test_tls_takes_only_certificates_of_known_authorities_for_this_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, (stranger, _), (authority, server) = Key(), certificates(tmp_path), certificates(tmp_path)
    with stub() as provider:
        monkeypatch.setenv("SSL_CERT_FILE", str(stranger))
        provider.use_tls(server)
        provider.publish(key)
        api = Api(tmp_path, None, issuer=provider.url)
        assert api.ask(key.sign(provider.url)) == 503
        until("the failure is told", lambda: api.heard)
        assert "no authority that this system trusts signed the certificate of the server" in api.heard[0].reason
        assert "or name a file with it in SSL_CERT_FILE" in api.heard[0].reason
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        until("the certificate is accepted", lambda: api.ask(key.sign(provider.url)) == 200)
        other = Api(tmp_path, None, issuer=provider.url.replace("127.0.0.1", "localhost"))
        assert other.ask(key.sign(provider.url.replace("127.0.0.1", "localhost"))) == 503
        until("the failure is told", lambda: other.heard)
        assert "for another name" in other.heard[0].reason
        api.kw.close()
        other.kw.close()


def old_versions() -> ssl.SSLContext:
    """The settings of a server that speaks only TLS 1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def certificates_of_clients() -> ssl.SSLContext:
    """The settings of a server that lets in only clients with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize(
    ("made", "reason", "fix"),
    [
        (old_versions, "the server does not speak TLS 1.2 or later", "let the server speak TLS 1.2 or later"),
        (certificates_of_clients, "the server asks for a certificate of the client", "let the server do without one"),
    ],
)
def test_what_tls_fails_on_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[], ssl.SSLContext], reason: str, fix: str
) -> None:
    authority, server = certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with stub() as provider:
        provider.use_tls(server, made())
        key = Key()
        provider.publish(key)
        api = Api(tmp_path, None, issuer=provider.url)
        assert api.ask(key.sign(provider.url)) == 503
        until("the failure is told", lambda: api.heard)
        assert reason in api.heard[0].reason and fix in api.heard[0].reason
        api.kw.close()


def test_keys_may_be_named_alone_or_beside_an_issuer(tmp_path: Path, provider: Stub) -> None:
    key = Key()
    provider.publish(key)
    for session in ({"jwks_url": f"{provider.url}/jwks"}, {"jwks_url": f"{provider.url}/jwks", "issuer": "https://login.example"}):
        api = Api(tmp_path, None, **session)
        assert api.ask(key.sign("https://login.example")) == 200
        assert api.ask(key.sign("https://evil.example")) == (401 if "issuer" in session else 200)
        assert set(provider.asked) == {"/jwks"}
        api.kw.close()


def test_discovery_is_also_found_where_rfc_8414_has_it(tmp_path: Path, provider: Stub) -> None:
    key = Key()
    provider.publish(key, issuer=f"{provider.url}/tenant")
    metadata = provider.answers.pop("/.well-known/openid-configuration")
    provider.answers["/.well-known/oauth-authorization-server/tenant"] = metadata
    api = Api(tmp_path, None, issuer=f"{provider.url}/tenant")
    assert api.ask(key.sign(f"{provider.url}/tenant")) == 200
    api.kw.close()
