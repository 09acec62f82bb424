from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, TypeAlias

from keywright._native import (
    AgentUsage,
    AuditCheck,
    AuditEntry,
    AuditHead,
    Event,
    ImportReport,
    Key,
    ManualClock,
    NewKey,
    OrgRecord,
    Parsed,
    QuotaState,
)
from keywright.engine import AsyncEngine, Handle
from keywright.http import AsyncHttp
from keywright.page import AsyncPage, Listing
from keywright.verifier import AsyncVerifier

__all__ = ["AsyncAudit", "AsyncKeys", "AsyncKeywright", "AsyncOrg", "AsyncOrgs", "AsyncPage", "Listing"]

_Texts: TypeAlias = Sequence[str] | AbstractSet[str]
_Status: TypeAlias = Literal["active", "disabled", "expired", "revoked"]
_Level: TypeAlias = Literal["read", "read_write", "full"]
_Hash: TypeAlias = Literal["hmac-sha256", "argon2id"]
_Pepper: TypeAlias = str | bytes | bytearray
_Rule: TypeAlias = int | Mapping[str, int | str | None]
_Entries: TypeAlias = list[AuditEntry]
_Agents: TypeAlias = list[AgentUsage]
_Rules: TypeAlias = Mapping[str, _Rule] | Sequence[Mapping[str, int | str | None]]
_Quotas: TypeAlias = Mapping[str, Mapping[str, int | str | None]] | Sequence[Mapping[str, int | str | None]]

class AsyncKeywright(AsyncVerifier, AsyncEngine):
    """``Keywright`` for asyncio and trio: the same methods, awaited."""

    def __init__(
        self,
        url: str,
        *,
        brand: str | None = None,
        environments: _Texts | None = None,
        environment: str | _Texts | None = None,
        key_format: str | None = None,
        accept_formats: _Texts | None = None,
        scopes: Mapping[str, str] | _Texts | None = None,
        pepper: _Pepper | Sequence[_Pepper] = ...,
        retired_peppers: Sequence[_Pepper] | None = None,
        hash: _Hash | None = None,
        retired_hashes: Sequence[_Hash] | AbstractSet[_Hash] | None = None,
        id_style: Literal["uuid", "integer"] | None = None,
        read_only: bool = False,
        busy_timeout: str | timedelta | None = None,
        max_staleness: str | timedelta | None = None,
        keys_in_memory: int | None = None,
        tiers: Mapping[str, _Rule | Sequence[_Rule]] | None = None,
        limits: _Rules | None = None,
        quotas: _Quotas | None = None,
        limiter: Literal["process", "machine", "store"] | str | None = None,
        on_event: Callable[[Event], object] | None = None,
        expiring_days: int | None = None,
        idle_days: int | None = None,
        webhooks: Sequence[Mapping[str, str | Sequence[str] | None]] | None = None,
        clock: ManualClock | None = None,
    ) -> None:
        """Checks the options; the database is opened by the first call, or by ``await kw.open()``.

        url: ``sqlite:`` and a path on a local disk; a relative path starts in the working directory of this call. The database
            is created if it does not exist.
        brand: the prefix of every key, 1 to 32 of a-z, 0-9 and _. Required unless the formats do not use it.
        environments: all environments of keys, 1 to 16; ``["live", "test"]`` when left out.
        environment: the environments that this engine accepts, one or several, or ``"*"`` for all; the first one when left out.
        key_format: the format of new keys; ``"{brand}_{env}_{lookup:12}_{secret:32}{checksum:6}"`` when left out.
        accept_formats: older formats whose keys still verify, up to 16.
        scopes: the scopes of the product, as a list or as a dict of descriptions; any other scope is refused.
        pepper: a secret of at least 32 bytes, or a list of them: the first signs, all verify. Leave it out for argon2id;
            ``None`` raises, since a missing setting must not silently select the slow hash.
        retired_peppers: peppers that still verify. Their keys are rehashed with the first pepper on their next use.
        hash: ``"hmac-sha256"`` (the default with a pepper) or ``"argon2id"`` (the default without one).
        retired_hashes: hashes that still verify. Their keys are rehashed with the current hash on their next use.
        id_style: ``"uuid"`` (the default) or ``"integer"``. It cannot change once the database exists.
        read_only: verifies and lists, and writes nothing.
        busy_timeout: the longest wait for another writer, like ``"5s"`` or a timedelta, 0 to 1 hour; 5 seconds when left out.
        max_staleness: on PostgreSQL, how long a verification may miss a change on another machine, like ``"2s"`` or a timedelta, 0 to
            1 hour; 2 seconds when left out. With 0 every verification asks the database.
        keys_in_memory: the number of keys cached in memory, 0 to 10,000,000; 100,000 when left out.
        tiers: named sets of limits and quotas for keys, like ``{"basic": 100, "premium": {"rate": 10000, "burst": 500}}``:
            requests a minute, or a dict of ``rate``, ``burst`` (as the rate when left out), ``per`` (``"key"`` when left out,
            ``"org"`` or ``"agent"``), ``operation``, ``name`` (the tier's when left out), ``exact`` (whether processes of several
            machines share it without the 0.1 seconds of a lease; False when left out) and ``when_unreachable`` (``"local"`` when left out,
            ``"refuse"`` or ``"allow"``), or a
            quota as below, or a list of up to 8 limits and 8 quotas.
        limits: the limits of every key, up to 8: a dict from names to rates or dicts as above, or a list of such dicts.
        quotas: the quotas of every key, up to 8, which the database counts: a dict from names to dicts of ``amount``, ``every``
            (``"hour"``, ``"day"``, ``"week"`` or ``"month"`` in UTC; a balance when left out, which ``keys.credit`` raises),
            ``anchor`` (the day on which a month begins; 1 when left out), ``per`` (``"key"`` when left out, or ``"org"``) and
            ``operation``, or a list of such dicts with a ``name``.
        limiter: where limits are counted: `"machine"`, together with all processes of this machine on the SQLite file; `"store"`, together
            with all processes of all machines on the PostgreSQL database; the URL of a Redis or Valkey, `"redis://…"`, together with
            all processes that name it; or `"process"`, each process on its own. `"machine"` on SQLite and `"store"` on PostgreSQL
            when left out.
        on_event: a function that receives each ``Event``: a key was created, rotated or revoked, expires soon, was long unused,
            a former secret was used, a revoked one was presented. It runs on its own thread after the event, and blocks
            nothing. An exception in it goes to ``sys.unraisablehook``. In asyncio, pass the event on with
            ``loop.call_soon_threadsafe``.
        expiring_days: reports daily the keys that expire within this many days, 0 to 3,650; 14 when left out, 0 reports none.
        idle_days: reports daily the keys that were unused for this many days, 0 to 3,650; 90 when left out, 0 reports none.
        webhooks: endpoints that receive each change, signed as Standard Webhooks says, up to 16: dicts of ``url``, ``secret``
            (``"whsec_"`` and the base64 of 24 to 64 random bytes, or a list of up to 4 that all sign) and ``events`` (types like
            ``"key.revoked"``; all when left out).
        clock: a ``ManualClock`` of ``keywright.testing``, for tests.
        """

    @property
    def keys(self) -> AsyncKeys:
        """The keys of the org ``default``."""

    @property
    def orgs(self) -> AsyncOrgs:
        """The orgs themselves."""

    @property
    def audit(self) -> AsyncAudit:
        """The audit chain, as the org ``default`` sees it."""

    def org(self, id: str) -> AsyncOrg:
        """Returns a handle for one org. It sees, creates and verifies only the keys of this org."""

    def every_org(self) -> AsyncOrg:
        """Returns the only handle across orgs."""

    def parse(self, text: str) -> Parsed | None:
        """Parses the text of a key. This proves nothing about the key."""

    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str:
        """Returns the regular expression of the engine's keys, for secret scanners.

        syntax: ``"perl"``, which Python reads too (when left out), or ``"ere"``, which ``grep -E`` reads.
        """

    def redact(self, text: str) -> str:
        """Masks the secret of every key in a text, also of imported ones.

        A database that is there knows of these: the first text opens it, and waits for it up to two seconds.
        """

    def http(
        self,
        *,
        credentials: _Texts | None = None,
        realm: str | None = None,
        trusted_proxies: _Texts | None = None,
        routes: Sequence[Mapping[str, Any]] | None = None,
        default: Literal["deny", "authenticated"] | None = None,
        errors: Literal["problem", "list", "plain"] | None = None,
        deprecation_headers: bool | None = None,
        rate_limit_headers: Literal["draft", "legacy", "both"] | None = None,
        session: Mapping[str, Any] | None = None,
        keys_may_manage: bool | None = None,
        revoke_children: bool | None = None,
        self_service: Sequence[Literal["show", "rotate", "revoke", "attest"]] | None = None,
        origins: _Texts | None = None,
        preflight: Literal["answer", "pass"] | None = None,
        forward_auth: Literal["nginx", "traefik", "caddy", "haproxy", "envoy"] | None = None,
        agent_header: str | None = None,
        path: str | None = None,
        mount: str | None = None,
        rewrites: bool | None = None,
        casing: Literal["snake", "camel"] | None = None,
        list: Literal["envelope", "bare"] | None = None,
        secret_field: Literal["api_key", "key"] | None = None,
        revoked: Literal["key", "success"] | None = None,
        fields: Sequence[str] | Mapping[Literal["create", "list", "get"], Sequence[str]] | None = None,
        nulls: Literal["present", "absent"] | None = None,
        created_status: Literal[200, 201] | None = None,
    ) -> AsyncHttp:
        """Returns the HTTP contract of the engine; see ``Keywright.http``. The options are checked at once."""

    def __reduce__(self) -> NoReturn: ...

class AsyncOrg(AsyncVerifier):
    """One org, or every org."""

    @property
    def keys(self) -> AsyncKeys:
        """The keys of this org."""

    @property
    def audit(self) -> AsyncAudit:
        """The audit chain, as this org sees it."""

class AsyncKeys(Handle):
    """The keys of an org."""

    async def create(
        self,
        *,
        name: str,
        description: str | None = None,
        scopes: str | _Texts | None = None,
        level: _Level | None = None,
        tier: str | None = None,
        limits: _Rules | None = None,
        quotas: _Quotas | None = None,
        networks: _Texts | None = None,
        metadata: Mapping[str, Any] | None = None,
        environment: str | None = None,
        expires_in_days: int | None = None,
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> NewKey:
        """Creates a key; see ``Keys.create``. ``api_key`` of the result is the only copy of its text."""

    def list(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        status: _Status | Literal["all"] | None = None,
        environment: str | None = None,
        name: str | None = None,
        idle_days: int | None = None,
    ) -> Listing[Key]:
        """Lists keys, newest first; see ``Keys.list``. Await it for one page, or iterate it for all."""

    async def get(self, id: str | int) -> Key:
        """Returns the key with this id; see ``Keys.get``."""

    async def find(self, prefix: str) -> Key:
        """Returns the key with this prefix, as logs show it; see ``Keys.find``."""

    async def update(
        self,
        id: str | int,
        *,
        name: str = ...,
        description: str | None = ...,
        scopes: str | _Texts = ...,
        level: _Level | None = ...,
        tier: str | None = ...,
        limits: _Rules | None = ...,
        quotas: _Quotas | None = ...,
        networks: _Texts | None = ...,
        metadata: Mapping[str, Any] | None = ...,
        expires_in_days: int = ...,
        expires_at: datetime | None = ...,
        actor: str | None = None,
    ) -> Key:
        """Changes the given fields; see ``Keys.update``."""

    async def rotate(
        self,
        id: str | int,
        *,
        grace: str | int | timedelta = "24h",
        reason: str | None = None,
        replace_current: bool = False,
        actor: str | None = None,
    ) -> NewKey:
        """Gives the key a new secret, and the former one a grace; see ``Keys.rotate``."""

    async def end_grace(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Ends the former secret now; see ``Keys.end_grace``."""

    async def revoke(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Revokes the key with all its secrets, for ever; see ``Keys.revoke``."""

    async def disable(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Switches the key off until ``enable``; see ``Keys.disable``."""

    async def enable(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Switches a disabled key on again; see ``Keys.enable``."""

    async def agents(self, id: str | int) -> _Agents:
        """Returns the counters of the agents that have used the key; see ``Keys.agents``."""

    async def credit(
        self,
        id: str | int,
        amount: int,
        *,
        quota: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> QuotaState:
        """Raises a balance that the key draws on; see ``Keys.credit``."""

    async def attest(
        self,
        id: str | int,
        agent: str | None = None,
        claims: Mapping[str, Any] | None = None,
        *,
        attestations: Sequence[Mapping[str, Any]] | None = None,
        actor: str | None = None,
    ) -> _Entries:
        """Records what agents claim to do with the key; see ``Keys.attest``."""

    async def import_hashed(
        self,
        keys: Sequence[Mapping[str, Any]],
        *,
        format: str,
        start: str | None = None,
        hashed: Literal["text", "secret"] | None = None,
        dry_run: bool = False,
        skip_refused: bool = False,
        actor: str | None = None,
    ) -> ImportReport:
        """Imports keys that another product has issued; see ``Keys.import_hashed``."""

    async def purge(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Wipes the fields of a key long revoked that can name a person; see ``Keys.purge``."""

class AsyncOrgs(Handle):
    """The orgs of a database."""

    async def get(self, id: str) -> OrgRecord:
        """Returns the org with this id."""

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Listing[OrgRecord]:
        """Lists orgs, newest first."""

    async def update(self, id: str, *, networks: _Texts | None = ..., actor: str | None = None) -> OrgRecord:
        """Changes the networks of an org; ``None`` lifts the restriction."""

    async def disable(self, id: str, *, reason: str | None = None, actor: str | None = None) -> OrgRecord:
        """Denies every key of the org until ``enable``."""

    async def enable(self, id: str, *, reason: str | None = None, actor: str | None = None) -> OrgRecord:
        """Lets the org's keys verify again."""

    async def revoke_keys(self, id: str, *, reason: str | None = None, actor: str | None = None) -> int:
        """Revokes every key of the org. Returns their number."""

class AsyncAudit(Handle):
    """The audit chain."""

    def list(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        key_id: str | int | None = None,
        action: str | None = None,
        agent: str | None = None,
    ) -> Listing[AuditEntry]:
        """Lists entries, newest first."""

    async def verify(self) -> AuditCheck:
        """Checks the whole chain."""

    async def head(self) -> AuditHead:
        """Returns the end of the chain, to keep it elsewhere."""

    async def prune(self, before: datetime) -> int:
        """Removes the entries before a time and leaves a checkpoint. Returns their number."""
