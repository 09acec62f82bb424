"""The same engine for asyncio and trio. A verification that memory can answer runs at once; calls that wait run on a thread."""

from __future__ import annotations

from functools import cached_property, partial
from operator import attrgetter
from typing import Any, Literal

from keywright._native import Config
from keywright.engine import AsyncEngine, Handle, LazyEngine
from keywright.http import AsyncHttp
from keywright.page import AsyncPage, Listing
from keywright.verifier import AsyncVerifier

__all__ = ["AsyncAudit", "AsyncKeys", "AsyncKeywright", "AsyncOrg", "AsyncOrgs", "AsyncPage", "Listing"]


class AsyncKeywright(AsyncVerifier, AsyncEngine):
    """``Keywright`` for asyncio and trio: the same methods, awaited.

    The constructor takes the options of ``Keywright`` and checks them. The first call opens the database, or ``await kw.open()``. If it
    cannot be opened, a verification is denied as ``unavailable``, and any other call raises ``Unavailable``.
    """

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(LazyEngine(Config(url, **options)), lambda engine: engine)

    @cached_property
    def keys(self) -> AsyncKeys:
        """The keys of the org ``default``."""
        return AsyncKeys(self._engine, attrgetter("keys"))

    @cached_property
    def orgs(self) -> AsyncOrgs:
        """The orgs themselves."""
        return AsyncOrgs(self._engine, attrgetter("orgs"))

    @cached_property
    def audit(self) -> AsyncAudit:
        """The audit chain, as the org ``default`` sees it."""
        return AsyncAudit(self._engine, attrgetter("audit"))

    def org(self, id: str) -> AsyncOrg:
        """Returns a handle for one org. It sees, creates and verifies only the keys of this org."""
        known = Config.read_org(id)
        return AsyncOrg(self._engine, lambda engine: engine.org(known))

    def every_org(self) -> AsyncOrg:
        """Returns the only handle across orgs."""
        return AsyncOrg(self._engine, lambda engine: engine.every_org())

    def parse(self, text: str) -> Any:
        """Parses the text of a key. This proves nothing about the key."""
        return self._engine.key_formats.parse(text)

    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str:
        """Returns the regular expression of the engine's keys, for secret scanners.

        syntax: ``"perl"``, which Python reads too (when left out), or ``"ere"``, which ``grep -E`` reads.
        """
        return self._engine.key_formats.key_pattern(syntax)

    def redact(self, text: str) -> str:
        """Masks the secret of every key in a text, also of imported ones.

        A database that is there knows of these: the first text opens it, and waits for it up to two seconds.
        """
        return self._engine.masking().redact(text)

    def http(self, **options: Any) -> AsyncHttp:
        """Returns the HTTP contract of the engine; see ``Keywright.http``. The options are checked at once."""
        return AsyncHttp(self, **options)

    def __reduce__(self) -> Any:
        raise TypeError("an AsyncKeywright holds an open database; make one where it is used")


def _listing(handle: Handle, fields: dict[str, Any]) -> Listing[Any]:
    return Listing(partial(handle._call, "list", **fields), handle._engine.threads)


class AsyncOrg(AsyncVerifier):
    """One org, or every org."""

    @cached_property
    def keys(self) -> AsyncKeys:
        """The keys of this org."""
        find = self._find  # capturing `self` would make a reference cycle
        return AsyncKeys(self._engine, lambda engine: find(engine).keys)

    @cached_property
    def audit(self) -> AsyncAudit:
        """The audit chain, as this org sees it."""
        find = self._find
        return AsyncAudit(self._engine, lambda engine: find(engine).audit)


class AsyncKeys(Handle):
    """The keys of an org."""

    async def create(self, **fields: Any) -> Any:
        """Creates a key; see ``Keys.create``. ``api_key`` of the result is the only copy of its text."""
        return await self._call("create", **fields)

    def list(self, **fields: Any) -> Listing[Any]:
        """Lists keys, newest first; see ``Keys.list``. Await it for one page, or iterate it for all."""
        return _listing(self, fields)

    async def get(self, id: Any) -> Any:
        """Returns the key with this id; see ``Keys.get``."""
        return await self._call("get", id)

    async def find(self, prefix: str) -> Any:
        """Returns the key with this prefix, as logs show it; see ``Keys.find``."""
        return await self._call("find", prefix)

    async def update(self, id: Any, **fields: Any) -> Any:
        """Changes the given fields; see ``Keys.update``."""
        return await self._call("update", id, **fields)

    async def rotate(self, id: Any, **fields: Any) -> Any:
        """Gives the key a new secret, and the former one a grace; see ``Keys.rotate``."""
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
        """Returns the counters of the agents that have used the key; see ``Keys.agents``."""
        return await self._call("agents", id)

    async def credit(self, id: Any, amount: Any, **fields: Any) -> Any:
        """Raises a balance that the key draws on; see ``Keys.credit``."""
        return await self._call("credit", id, amount, **fields)

    async def import_hashed(self, keys: Any, **fields: Any) -> Any:
        """Imports keys that another product has issued; see ``Keys.import_hashed``."""
        return await self._call("import_hashed", keys, **fields)

    async def attest(self, id: Any, agent: Any = None, claims: Any = None, **fields: Any) -> Any:
        """Records what agents claim to do with the key; see ``Keys.attest``."""
        return await self._call("attest", id, agent, claims, **fields)

    async def purge(self, id: Any, **fields: Any) -> Any:
        """Wipes the fields of a key long revoked that can name a person; see ``Keys.purge``."""
        return await self._call("purge", id, **fields)


class AsyncOrgs(Handle):
    """The orgs of a database."""

    async def get(self, id: str) -> Any:
        """Returns the org with this id."""
        return await self._call("get", id)

    def list(self, **fields: Any) -> Listing[Any]:
        """Lists orgs, newest first. Await it for one page, or iterate it for all."""
        return _listing(self, fields)

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
        """Revokes every key of the org. Returns their number."""
        return await self._call("revoke_keys", id, **fields)


class AsyncAudit(Handle):
    """The audit chain."""

    def list(self, **fields: Any) -> Listing[Any]:
        """Lists entries, newest first: await it for one page, or iterate it for all."""
        return _listing(self, fields)

    async def verify(self) -> Any:
        """Checks the whole chain."""
        return await self._call("verify")

    async def head(self) -> Any:
        """Returns the end of the chain, to keep it elsewhere."""
        return await self._call("head")

    async def prune(self, before: Any) -> Any:
        """Removes the entries before a time and leaves a checkpoint. Returns their number."""
        return await self._call("prune", before)
