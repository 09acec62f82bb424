"""The same engine for asyncio and trio. A verification that can be answered at once is; whatever waits does so on a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import suppress
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar

from keywright._native import Config, Keywright, Later, Page, Unopened
from keywright.errors import Closed, Unavailable
from keywright.http import AsyncHttp
from keywright.threads import Threads

__all__ = ["AsyncAudit", "AsyncKeys", "AsyncKeywright", "AsyncOrg", "AsyncOrgs", "AsyncPage", "Listing"]

T = TypeVar("T", covariant=True)


class _Source:
    """Opens one engine on first use, and calls it on threads."""

    __slots__ = ("closed", "config", "engine", "texts", "threads")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.texts = config.texts()
        self.engine: Keywright | None = None
        self.closed = False
        self.threads = Threads()

    def opened(self, way: Callable[[Config], Any]) -> Any:
        with self.threads.lock:
            if self.closed:
                raise Closed("this Keywright is closed; open a new one")
            if self.engine is None:
                found = way(self.config)
                if isinstance(found, Unopened):
                    return found  # for this call only: the next one tries again
                self.engine = found
            return self.engine

    async def run(self, call: Callable[[Any], Any], way: Callable[[Config], Any] = Config.open) -> Any:
        if self.closed:
            raise Closed("this Keywright is closed; open a new one")
        return await self.threads.run(lambda: call(self.opened(way)))

    async def close(self, *, past_locks: bool = True) -> None:
        if not self.closed:
            with suppress(Unavailable):  # without past_locks: the core closes the engine when the lock is free
                await self.threads.run(self._close, past_locks=past_locks)
            self.threads.stop()

    def _close(self) -> None:
        with self.threads.lock:
            self.closed = True
            if self.engine is not None:
                self.engine.close()


class _Handle:
    """Some handle of the engine, found again on each call since the engine may not be open yet."""

    def __init__(self, source: _Source, find: Callable[[Keywright], Any]) -> None:
        self._source = source
        self._find = find

    async def _call(self, method: str, /, *arguments: Any, **fields: Any) -> Any:
        return await self._source.run(lambda engine: getattr(self._find(engine), method)(*arguments, **fields))

    def _list(self, fields: dict[str, Any]) -> Listing[Any]:
        return Listing(partial(self._call, "list", **fields), self._source.threads)


class _Verifier(_Handle):
    """A handle that verifies: on this thread where memory answers, else on another."""

    def __init__(self, source: _Source, find: Callable[[Keywright], Any]) -> None:
        super().__init__(source, find)
        self._judge: Any = None

    async def verify(
        self,
        text: Any,
        *,
        scopes: Any = None,
        method: Any = None,
        ip: Any = None,
        environment: Any = None,
        operation: Any = None,
        cost: Any = None,
        agent: Any = None,
    ) -> Any:
        """Judges the text of a key; see ``Keywright.verify``. Trouble in the store is a decision and no exception."""
        judge = self._judge or await self._found()
        answer = judge._begin_verify(text, scopes, method, ip, environment, operation, cost, agent)
        return await self._source.threads.run(answer.wait) if type(answer) is Later else answer

    async def authenticate(
        self,
        text: Any,
        *,
        scopes: Any = None,
        method: Any = None,
        ip: Any = None,
        environment: Any = None,
        operation: Any = None,
        cost: Any = None,
        agent: Any = None,
    ) -> Any:
        """As ``verify``, but gives the key, or raises ``Denied``; see ``Keywright.authenticate``."""
        judge = self._judge or await self._found()
        answer = judge._begin_authenticate(text, scopes, method, ip, environment, operation, cost, agent)
        return await self._source.threads.run(answer.wait) if type(answer) is Later else answer

    async def _found(self) -> Any:
        engine: Any = self._source.engine
        if engine is None:
            engine = await self._source.run(lambda opened: opened, Config.open_to_verify)
        if isinstance(engine, Unopened):
            return engine  # for this call only: the next one tries again
        self._judge = self._find(engine)
        return self._judge


class AsyncKeywright(_Verifier):
    """``Keywright`` for asyncio and trio: the same methods, awaited.

    The options are those of ``Keywright`` and are checked at once. The database is opened by the first call, or by ``await kw.open()``;
    a verification that finds it cannot be opened is denied as ``unavailable``, any other call raises ``Unavailable``.
    """

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(_Source(Config(url, **options)), lambda engine: engine)

    @cached_property
    def keys(self) -> AsyncKeys:
        """The keys of the org ``default``."""
        return AsyncKeys(self._source, attrgetter("keys"))

    @cached_property
    def orgs(self) -> AsyncOrgs:
        """The orgs themselves."""
        return AsyncOrgs(self._source, attrgetter("orgs"))

    @cached_property
    def audit(self) -> AsyncAudit:
        """The audit chain, as the org ``default`` sees it."""
        return AsyncAudit(self._source, attrgetter("audit"))

    def org(self, id: str) -> AsyncOrg:
        """A handle that sees, makes and verifies only this org's keys."""
        known = Config.read_org(id)
        return AsyncOrg(self._source, lambda engine: engine.org(known))

    def every_org(self) -> AsyncOrg:
        """The only handle across orgs."""
        return AsyncOrg(self._source, lambda engine: engine.every_org())

    def parse(self, text: str) -> Any:
        """What the text of a key says about itself. Nothing is proved by it."""
        return self._source.texts.parse(text)

    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str:
        """The regular expression of this engine's keys, for secret scanners.

        syntax: ``"perl"``, which Python reads too (when left out), or ``"ere"``, which ``grep -E`` reads.
        """
        return self._source.texts.key_pattern(syntax)

    def redact(self, text: str) -> str:
        """The text with the secret of every key in it masked."""
        return self._source.texts.redact(text)

    def http(self, **options: Any) -> AsyncHttp:
        """Makes the engine speak HTTP; see ``Keywright.http``. The options are checked at once."""
        return AsyncHttp(self, **options)  # pyright: ignore[reportArgumentType] - its stub is another class to pyright

    async def open(self) -> AsyncKeywright:
        """Opens the database now, where it is not open yet."""
        await self._source.run(lambda engine: engine)
        return self

    async def flush(self) -> None:
        """Writes down what was counted until now. It happens by itself each second, in ``close``, and when Python exits."""
        if self._source.engine is not None:
            await self._source.run(lambda engine: engine.flush())

    async def close(self) -> None:
        """Closes the database. A second call does nothing."""
        await self._source.close()

    async def __aenter__(self) -> AsyncKeywright:
        return await self.open()

    async def __aexit__(self, kind: type[BaseException] | None = None, *exception: object) -> None:
        # A caller that cancels or interrupts the block does not wait for a lock of another program.
        await self._source.close(past_locks=kind is None or issubclass(kind, Exception))

    def __reduce__(self) -> Any:
        raise TypeError("an AsyncKeywright holds an open database; make one where it is used")


class AsyncOrg(_Verifier):
    """One org, or every org."""

    @cached_property
    def keys(self) -> AsyncKeys:
        """The keys of this org."""
        find = self._find  # not this handle, which would hold itself
        return AsyncKeys(self._source, lambda engine: find(engine).keys)

    @cached_property
    def audit(self) -> AsyncAudit:
        """The audit chain, as this org sees it."""
        find = self._find
        return AsyncAudit(self._source, lambda engine: find(engine).audit)


class AsyncKeys(_Handle):
    """The keys of an org."""

    async def create(self, **fields: Any) -> Any:
        """Makes a key; see ``Keys.create``. ``api_key`` of the answer is the only copy of its text."""
        return await self._call("create", **fields)

    def list(self, **fields: Any) -> Listing[Any]:
        """Lists keys, newest first; see ``Keys.list``. Await it for one page, or iterate it for all."""
        return self._list(fields)

    async def get(self, id: Any) -> Any:
        """The key of this id; see ``Keys.get``."""
        return await self._call("get", id)

    async def find(self, prefix: str) -> Any:
        """The key with this prefix, as logs show it; see ``Keys.find``."""
        return await self._call("find", prefix)

    async def update(self, id: Any, **fields: Any) -> Any:
        """Changes what is given; see ``Keys.update``."""
        return await self._call("update", id, **fields)

    async def rotate(self, id: Any, **fields: Any) -> Any:
        """Gives the key a new secret, the former one a grace; see ``Keys.rotate``."""
        return await self._call("rotate", id, **fields)

    async def end_grace(self, id: Any, **fields: Any) -> Any:
        """Ends the former secret now; see ``Keys.end_grace``."""
        return await self._call("end_grace", id, **fields)

    async def revoke(self, id: Any, **fields: Any) -> Any:
        """Revokes the key with all its secrets, for ever; see ``Keys.revoke``."""
        return await self._call("revoke", id, **fields)

    async def disable(self, id: Any, **fields: Any) -> Any:
        """Switches the key off until ``enable``; see ``Keys.disable``."""
        return await self._call("disable", id, **fields)

    async def enable(self, id: Any, **fields: Any) -> Any:
        """Switches a disabled key on again; see ``Keys.enable``."""
        return await self._call("enable", id, **fields)

    async def agents(self, id: Any) -> Any:
        """What was counted for the agents that have used the key; see ``Keys.agents``."""
        return await self._call("agents", id)

    async def attest(self, id: Any, agent: Any = None, claims: Any = None, **fields: Any) -> Any:
        """Writes down what agents claim to do with the key; see ``Keys.attest``."""
        return await self._call("attest", id, agent, claims, **fields)

    async def purge(self, id: Any, **fields: Any) -> Any:
        """Wipes the fields of a key long revoked that can name a person; see ``Keys.purge``."""
        return await self._call("purge", id, **fields)


class AsyncOrgs(_Handle):
    """The orgs of a database."""

    async def get(self, id: str) -> Any:
        """The org of this id."""
        return await self._call("get", id)

    def list(self, **fields: Any) -> Listing[Any]:
        """Lists orgs: await it for one page, or iterate it for all."""
        return self._list(fields)

    async def update(self, id: str, **fields: Any) -> Any:
        """Changes the networks of an org; ``None`` lifts the restriction."""
        return await self._call("update", id, **fields)

    async def disable(self, id: str, **fields: Any) -> Any:
        """Denies every key of the org until ``enable``."""
        return await self._call("disable", id, **fields)

    async def enable(self, id: str, **fields: Any) -> Any:
        """Lets the org's keys verify again."""
        return await self._call("enable", id, **fields)

    async def revoke_keys(self, id: str, **fields: Any) -> Any:
        """Revokes every key of the org; answers how many were revoked."""
        return await self._call("revoke_keys", id, **fields)


class AsyncAudit(_Handle):
    """The audit chain."""

    def list(self, **fields: Any) -> Listing[Any]:
        """Lists entries, newest first: await it for one page, or iterate it for all."""
        return self._list(fields)

    async def verify(self) -> Any:
        """Checks the whole chain."""
        return await self._call("verify")

    async def head(self) -> Any:
        """The chain's end, to be kept elsewhere."""
        return await self._call("head")

    async def prune(self, before: Any) -> Any:
        """Removes the entries before a time and leaves a checkpoint; answers how many were removed."""
        return await self._call("prune", before)


class AsyncPage(Generic[T]):
    """One page of a list. ``async for`` walks this page and all that follow."""

    __slots__ = ("__weakref__", "_page", "_threads")

    def __init__(self, page: Page[T], threads: Threads) -> None:
        self._page = page
        self._threads = threads

    @property
    def data(self) -> list[T]:
        """The items of this page."""
        return self._page.data

    @property
    def has_more(self) -> bool:
        """Whether another page follows."""
        return self._page.has_more

    @property
    def next_cursor(self) -> str | None:
        """What to pass as ``cursor`` for it."""
        return self._page.next_cursor

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""
        return self._page.to_dict()

    def keys(self) -> list[str]:
        """The names of its fields: with them ``dict(page)`` is as ``to_dict()``."""
        return self._page.keys()

    def __getitem__(self, name: str) -> Any:
        return self._page[name]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from keywright import schema  # noqa: PLC0415 - pydantic need not be there

        return schema.page(cls, source, handler)

    async def __aiter__(self) -> AsyncIterator[T]:
        page: Page[T] | None = self._page
        while page is not None:
            for item in page.data:
                yield item
            page = await self._threads.run(page._next) if page.has_more else None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, AsyncPage):
            return self._page == other._page  # pyright: ignore[reportUnknownMemberType]
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._page)

    def __repr__(self) -> str:
        return f"Async{self._page!r}"


class Listing(Generic[T]):
    """A list that was asked for: await it for one page, or iterate it for all."""

    __slots__ = ("_ask", "_threads")

    def __init__(self, ask: Callable[[], Awaitable[Page[T]]], threads: Threads) -> None:
        self._ask = ask
        self._threads = threads

    async def _page(self) -> AsyncPage[T]:
        return AsyncPage(await self._ask(), self._threads)

    def __await__(self) -> Generator[Any, None, AsyncPage[T]]:
        return self._page().__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        async for item in await self._page():
            yield item
