"""The client of ``keywright serve``: the calls, records and errors of the engine, over HTTP. It needs httpx."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from keywright._native import Page
from keywright.client.cache import DecisionCache
from keywright.client.calls import Audit, Call, Caller, Keys, Orgs, PageCall, Verifier
from keywright.client.deadline import TimeLeft
from keywright.client.exchange import Lost, Reply, Request
from keywright.client.pages import RemoteListing, RemotePage
from keywright.errors import Closed, InvalidRequest, ValidationFailed

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncClient", "Client"]

DEFAULT_URL = "http://127.0.0.1:8787"
URL_VARIABLE = "KEYWRIGHT_SERVER_URL"
MOST_RETRIES = 10
# Seconds, as for the engine.
MOST_STALENESS = 3_600
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
LEFT_OUT: Any = object()
LATE = "did not answer in time"


class _Base(Caller):
    """The settings of a client, and its calls."""

    def __init__(
        self,
        url: Any = None,
        *,
        api_key: Any = LEFT_OUT,
        timeout: Any = "10s",
        retries: Any = 2,
        max_staleness: Any = None,
        http: Any = None,
    ) -> None:
        place = url if url is not None else os.environ.get(URL_VARIABLE) or DEFAULT_URL
        self._url, self._socket = _address(place)
        self._headers = {"accept": "application/json"}
        if api_key is not LEFT_OUT:
            self._headers["authorization"] = f"Bearer {_credential(api_key)}"
        self._timeout = _seconds("timeout", timeout)
        self._retries = retries
        if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= MOST_RETRIES:
            raise ValidationFailed(f"retries: is no number of repetitions; give 0 to {MOST_RETRIES}", "retries")
        staleness = None if max_staleness is None else _seconds("max_staleness", max_staleness)
        if staleness is not None and staleness > MOST_STALENESS:
            raise ValidationFailed('max_staleness: is longer than an hour; give "1h" at most', "max_staleness")
        cache = None if staleness is None else DecisionCache(staleness)
        self._cache = cache
        self._given = http
        self._own: tuple[int, Any] | None = None
        self._closed = False
        self.keys = Keys(self)
        self.orgs = Orgs(self)
        self.audit = Audit(self)
        self._verifier = Verifier(self, cache)
        self._server = f"the server at {self._socket or self._url}"
        self._connect()

    def verify(self, text: str | bytes | bytearray | None, **needs: Any) -> Any:
        """Verifies the text of a key; see ``Keywright.verify``. Trouble of the server is a decision and no exception."""
        return self._verifier.verify(text, **needs)

    def authenticate(self, text: str | bytes | bytearray | None, **needs: Any) -> Any:
        """Verifies like ``verify`` and returns the key, or raises ``Denied``; see ``Keywright.authenticate``."""
        return self._verifier.authenticate(text, **needs)

    def org(self, id: Any) -> Verifier:
        """Returns a handle that verifies only the keys of this org."""
        if not isinstance(id, str):
            raise InvalidRequest("org: is no text; give the id of an org", "org")
        return Verifier(self, self._cache, id)

    def _steps(self, call: Call) -> Any:
        try:
            return (yield from call.steps(self._retries, self._server))
        finally:
            # A change by this client shows in its next verification.
            if call.changes and self._cache:
                self._cache.clear()

    def _new(self) -> Any:
        raise NotImplementedError

    def _connect(self) -> Any:
        """The connections of this process. A forked child does not share those of its parent."""
        if self._closed:
            raise Closed("this client is closed; make a new one")
        if self._given is not None:
            return self._given
        if self._own is None or self._own[0] != os.getpid():
            self._own = (os.getpid(), self._new())
        return self._own[1]

    def _options(self, request: Request) -> dict[str, Any]:
        """The arguments of a request of httpx."""
        return {
            "method": request.method,
            "url": self._url + request.path,
            "params": dict(request.query) or None,
            "headers": {**self._headers, **request.headers},
            "content": request.body,
            "follow_redirects": False,
        }

    def _end(self) -> Any:
        """Forgets the connections, and returns those that are to be closed."""
        self._closed = True
        own, self._own = self._own, None
        return own[1] if own is not None and own[0] == os.getpid() else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._socket or self._url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds a credential; make one where it is used")


class Client(_Base):
    """A server of keys, as an engine."""

    def _new(self) -> Any:
        httpx = _httpx()
        return httpx.Client(transport=httpx.HTTPTransport(uds=self._socket)) if self._socket else httpx.Client()

    def _send(self, request: Request) -> Reply | Lost:
        http = self._connect()
        left = TimeLeft(self._timeout)
        limits = {"connect": self._timeout, "pool": self._timeout, "read": left, "write": left}
        try:
            answer = http.request(**self._options(request), extensions={"timeout": limits})
        except _httpx().TransportError as error:
            return _lost(error)
        return Reply(answer.status_code, answer.headers, answer.content)

    def _run(self, call: Call) -> Any:
        import time  # noqa: PLC0415 - tools that freeze the clock replace it

        steps, answer = self._steps(call), None
        try:
            while True:
                step = steps.send(answer)
                answer = self._send(step) if isinstance(step, Request) else time.sleep(step)
        except StopIteration as done:
            return done.value

    def _list(self, page: PageCall) -> Page[Any]:
        def turn(cursor: str) -> Any:
            return self._run(page(cursor))

        data, has_more, next_cursor = self._run(page(None))
        return Page._received(data, has_more, next_cursor, turn)

    def close(self) -> None:
        """Closes the connections."""
        own = self._end()
        if own is not None:
            own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(_Base):
    """``Client`` for asyncio and trio: the same methods, awaited."""

    def _new(self) -> Any:
        httpx = _httpx()
        return httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=self._socket)) if self._socket else httpx.AsyncClient()

    async def _send(self, request: Request) -> Reply | Lost:
        import anyio  # noqa: PLC0415 - httpx needs it, and this module can be imported without httpx

        http = self._connect()
        try:
            with anyio.fail_after(self._timeout):
                answer = await http.request(**self._options(request), timeout=self._timeout)
        except _httpx().TransportError as error:
            return _lost(error)
        except TimeoutError:
            return Lost(LATE, sent=True)
        return Reply(answer.status_code, answer.headers, answer.content)

    async def _run(self, call: Call) -> Any:
        import anyio  # noqa: PLC0415 - httpx needs it, and this module can be imported without httpx

        steps, answer = self._steps(call), None
        try:
            while True:
                step = steps.send(answer)
                answer = await self._send(step) if isinstance(step, Request) else await anyio.sleep(step)
        except StopIteration as done:
            return done.value

    def _list(self, page: PageCall) -> RemoteListing[Any]:
        async def turn(cursor: str | None) -> RemotePage[Any]:
            return RemotePage(await self._run(page(cursor)), turn)

        return RemoteListing(turn)

    async def close(self) -> None:
        """Closes the connections."""
        own = self._end()
        if own is not None:
            await own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _httpx() -> Any:
    try:
        import httpx  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise ImportError("the client of a server needs httpx: pip install 'keywright[client]'") from None
    return httpx


def _lost(error: Any) -> Lost:
    httpx = _httpx()
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    if isinstance(error, httpx.TimeoutException):
        return Lost(LATE, not isinstance(error, unsent))
    if isinstance(error, unsent):
        return Lost("cannot be reached", False)
    return Lost("broke off the connection", True)


def _address(url: Any) -> tuple[str, str | None]:
    """The beginning of each URL, and the path of a Unix socket."""
    fix = "write https://keys.example, or unix:/run/keywright/keywright.sock"
    if not isinstance(url, str):
        raise InvalidRequest(f"url: is no text; {fix}", "url")
    if url.startswith("unix:/"):
        return "http://keywright", url.removeprefix("unix:")
    found = re.fullmatch(r"(https?)://([^/?#\s]+)(/[^?#\s]*)?", url)
    if found is None:
        raise ValidationFailed(f"url: is no address of a server; {fix}", "url")
    if "@" in found[2]:
        raise ValidationFailed("url: holds a credential; give the key as api_key", "url")
    return url.rstrip("/"), None


def _credential(api_key: Any) -> str:
    fix = "give the text of a key, or leave it out for a Unix socket"
    if not isinstance(api_key, str):
        raise InvalidRequest(f"api_key: is no text; {fix}", "api_key")
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ValidationFailed(f"api_key: is empty, or has letters that no key has; {fix}", "api_key")
    return api_key


def _seconds(name: str, span: Any) -> float:
    fix = 'write "10s" or "5m", or give a timedelta'
    if isinstance(span, timedelta):
        seconds = span.total_seconds()
    elif not isinstance(span, str):
        raise InvalidRequest(f"{name}: is no duration; {fix}", name)
    elif found := re.fullmatch(r"(\d{1,9})([smhd])", span, re.ASCII):
        seconds = float(int(found[1]) * UNITS[found[2]])
    else:
        raise ValidationFailed(f"{name}: is no duration; {fix}", name)
    if seconds <= 0:
        raise ValidationFailed(f"{name}: is not above zero; {fix}", name)
    return seconds
