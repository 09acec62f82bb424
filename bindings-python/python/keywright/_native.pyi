from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from types import GenericAlias, TracebackType
from typing import Any, Generic, Literal, NoReturn, TypeAlias, TypeVar, final

from typing_extensions import Self, disjoint_base

__all__ = [
    "AgentUsage",
    "Audit",
    "AuditCheck",
    "AuditEntry",
    "AuditHead",
    "Config",
    "Decision",
    "Event",
    "Http",
    "HttpConfig",
    "Key",
    "Keys",
    "Keywright",
    "Lease",
    "Limit",
    "LimitState",
    "ManualClock",
    "Needs",
    "NewKey",
    "Org",
    "OrgRecord",
    "Orgs",
    "Page",
    "Parsed",
    "Passed",
    "PendingResponse",
    "PendingVerification",
    "Response",
    "Secret",
    "Target",
    "Texts",
    "Unopened",
    "Verifier",
    "__version__",
    "_call_unless_left",
    "_flush_open",
    "_request_id",
    "_unpickle",
]

_T = TypeVar("_T", covariant=True)

_Texts: TypeAlias = Sequence[str] | AbstractSet[str]
_Status: TypeAlias = Literal["active", "disabled", "expired", "revoked"]
_Level: TypeAlias = Literal["read", "read_write", "full"]
_Per: TypeAlias = Literal["key", "org", "agent"]
_Hash: TypeAlias = Literal["hmac-sha256", "argon2id"]
_Pepper: TypeAlias = str | bytes | bytearray
_Rule: TypeAlias = int | Mapping[str, int | str | None]
_Entries: TypeAlias = list[AuditEntry]
_Agents: TypeAlias = list[AgentUsage]
_Rules: TypeAlias = Mapping[str, _Rule] | Sequence[Mapping[str, int | str | None]]
_Denial: TypeAlias = Literal[
    "missing",
    "invalid",
    "revoked",
    "expired",
    "disabled",
    "wrong_environment",
    "method_not_allowed",
    "insufficient_scope",
    "ip_not_allowed",
    "rate_limited",
    "unavailable",
]

__version__: str

@disjoint_base
class Verifier:
    """What verifies: the base of an engine, and of the handle of an org."""

    def verify(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | _Texts | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
        operation: str | None = None,
        cost: int | None = None,
        agent: str | None = None,
    ) -> Decision:
        """Judges the text of a key. A bad key, and trouble in the store, is a decision and no exception.

        text: the key as it came, text or bytes; ``None`` is no credential, code ``missing``.
        scopes: what the request needs, all of it, as ``"deals:read,deals:write"`` or a list.
        method: its HTTP method, in capitals. Left out, a key with a level other than full is denied ``method_not_allowed``.
        ip: the client's address. Left out, a key with networks, of its own or of its org, is denied ``ip_not_allowed``.
        environment: the only one accepted for this request, out of those of the engine.
        operation: its class, for limits that count only one; one that a limit of the engine names.
        cost: how much of each limit it takes, 1 when left out.
        agent: the logical identity on whose behalf the key is used, 1 to 128 of A-Z, a-z, 0-9, _ . : and -.

        Raises ``InvalidRequest`` or ``ValidationFailed`` for arguments without meaning, and ``Closed`` after ``close``.
        """

    def authenticate(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | _Texts | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
        operation: str | None = None,
        cost: int | None = None,
        agent: str | None = None,
    ) -> Key:
        """As ``verify``, with the same arguments, but gives the key, or raises ``Denied``."""

@final
class Keywright(Verifier):
    """The engine: issues, verifies and revokes keys in one database. Thread-safe, and safe across ``os.fork``."""

    def __new__(
        cls,
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
        keys_in_memory: int | None = None,
        tiers: Mapping[str, _Rule | Sequence[_Rule]] | None = None,
        limits: _Rules | None = None,
        processes: int | None = None,
        on_event: Callable[[Event], object] | None = None,
        expiring_days: int | None = None,
        idle_days: int | None = None,
        clock: ManualClock | None = None,
    ) -> Keywright:
        """Opens the database.

        url: ``sqlite:`` and a path on a local disk; a relative one stands in the working folder of this call. The database
            is made when it does not exist.
        brand: the short name that begins every key, 1 to 32 of a-z, 0-9 and _. Needed unless the formats do without it.
        environments: the environments that keys are made for, 1 to 16; ``["live", "test"]`` when left out.
        environment: those whose keys are accepted here, one or several, or ``"*"`` for all; the first one when left out.
        key_format: the text of new keys; ``"{brand}_{env}_{lookup:12}_{secret:32}{checksum:6}"`` when left out.
        accept_formats: older formats that are still read, up to 16.
        scopes: the scopes that the product has, as a list or as a dict with descriptions; others are refused.
        pepper: a secret of at least 32 bytes, or a list of them: the first signs, all verify. Leave it out for argon2id;
            ``None`` is refused, since a setting that is missing must not quietly mean the slow hash.
        retired_peppers: peppers that still verify, and whose keys move to the first one when they are next used.
        hash: ``"hmac-sha256"`` (the standard with a pepper) or ``"argon2id"`` (the standard without).
        retired_hashes: hashes whose keys move to the current one when they are next used.
        id_style: ``"uuid"`` (the standard) or ``"integer"``, fixed when the database is made.
        read_only: verifies and lists, and changes nothing.
        busy_timeout: how long to wait for another program's write, like ``"5s"`` or a timedelta, 0 to 1 hour; 5 seconds
            when left out.
        keys_in_memory: how many keys are remembered, 0 to 10,000,000; 100,000 when left out.
        tiers: sets of limits that keys are given by name, like ``{"basic": 100, "premium": {"rate": 10000, "burst": 500}}``:
            requests a minute, or a dict of ``rate``, ``burst`` (as the rate when left out), ``per`` (``"key"`` when left out,
            ``"org"`` or ``"agent"``), ``operation`` and ``name`` (the tier's when left out), or a list of up to 8 of these.
        limits: the limits of every key, up to 8: a dict from names to rates or dicts as above, or a list of such dicts.
        processes: how many processes divide each limit between them, 1 to 4,096; 1 when left out.
        on_event: called with each ``Event``, a function that takes one: keys made, rotated, revoked, soon to expire, long unused, a
            former secret used, a revoked one presented. It runs on a thread of its own, after what it tells of, and holds up nothing;
            what it raises goes to ``sys.unraisablehook``. In asyncio pass it on with ``loop.call_soon_threadsafe``.
        expiring_days: tells each day of keys that expire within so many days, 0 to 3,650; 14 when left out, 0 is never.
        idle_days: tells each day of keys that were not used for so many days, 0 to 3,650; 90 when left out, 0 is never.
        clock: a ``ManualClock`` of ``keywright.testing``, for tests.
        """

    @property
    def keys(self) -> Keys:
        """The keys of the org ``default``."""

    @property
    def orgs(self) -> Orgs:
        """The orgs themselves."""

    @property
    def audit(self) -> Audit:
        """The audit chain, as the org ``default`` sees it."""

    def org(self, id: str) -> Org:
        """A handle that sees, makes and verifies only this org's keys."""

    def every_org(self) -> Org:
        """The only handle across orgs."""

    def parse(self, text: str) -> Parsed | None:
        """What the text of a key says about itself. Nothing is proved by it."""

    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str:
        """The regular expression of this engine's keys, for secret scanners.

        syntax: ``"perl"``, which Python reads too (when left out), or ``"ere"``, which ``grep -E`` reads.
        """

    def redact(self, text: str) -> str:
        """The text with the secret of every key in it masked."""

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
    ) -> Http:
        """Makes the engine speak HTTP; the adapters do so themselves.

        credentials: the request headers in which a key may come; ``["Authorization", "Api-Key", "X-API-Key"]`` when left
            out. ``Authorization`` stands for its scheme ``Bearer``; ``"Authorization: Api-Key"`` names another one. A request
            with two credentials is refused.
        realm: what a challenge names; ``"api"`` when left out.
        trusted_proxies: the proxies whose ``X-Forwarded-For`` is believed: addresses, networks, and ``"unix:"`` for any program that
            connects to a Unix socket.
        routes: rules, each a dict of ``path`` (``"/deals/{id}"``, ``"/files/{*rest}"``), ``method`` (one, a list, or left out for
            all), and what ``Needs`` has: ``scopes``, ``operation``, ``cost``, ``environment``, ``access``,
            ``idempotent``.
        default: what becomes of a route without a rule where there are rules: ``"deny"`` (when left out) or ``"authenticated"``.
        errors: the form of a refusal: ``"problem"`` (RFC 9457, when left out), ``"list"`` or ``"plain"``.
        deprecation_headers: adds ``Deprecation`` and ``Sunset`` for a former secret.
        rate_limit_headers: ``"draft"`` (when left out) shows every limit in ``RateLimit-Policy`` and ``RateLimit``; ``"legacy"``
            shows the limit with the fewest requests left in ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset`` (in seconds
            from now); or ``"both"``.
        session: how session tokens (JWT) are checked: a dict of ``algorithm`` with ``key`` or ``key_file``, or ``jwks`` or
            ``jwks_file`` with ``algorithms`` (accepted ones, also for keys without ``alg``); ``issuer``, ``audience``, ``org_claim``,
            ``actor_claim``, ``may``, ``may_claim``, ``leeway_seconds``. A changed file is read again.
        keys_may_manage: lets a key with the scope ``keys:manage`` manage keys that may do no more than itself.
        revoke_children: revokes, with a key, those that it has made.
        self_service: the calls under ``/whoami`` by which a key asks about itself or changes itself: some of ``"show"``,
            ``"rotate"``, ``"revoke"`` and ``"attest"``; ``["show", "revoke"]`` when left out. Any other call is answered
            with 404.
        origins: other origins whose pages may manage keys with a session of yours.
        preflight: who answers a CORS preflight: the guard, with 204 and nothing behind it run (``"answer"``, when left out), or
            a CORS layer behind the guard (``"pass"``).
        forward_auth: answers the questions of this proxy at ``/forward-auth``, below where management is mounted.
        agent_header: the header, like ``X-Agent-Id``, in which a request may say on whose behalf it is made: 1 to 128 of
            A-Z, a-z, 0-9, _ . : and -. It goes into limits, counters and the audit, and gives no right; none is read when left out.
        path: where management stands among the other routes of the API, like ``"/api-keys"``; what it does not answer there
            is left to the host.
        mount: the path, like ``"/api"``, at which a proxy mounts the application and tells so in a header (``SCRIPT_NAME`` for
            gunicorn, ``Daphne-Root-Path`` for Daphne), which it sets on every request.
        rewrites: judges a path that was rewritten in front of the guard as the router gets it; refused when left out.
        casing: the names of fields, those of arguments too: ``"snake"`` when left out.
        list: a list with what follows it, ``"envelope"`` when left out, or its items alone, up to 1,000 with a ``Link``.
        secret_field: where the text of a new key stands; ``"api_key"`` when left out.
        revoked: what a revocation answers: the ``"key"`` when left out, or with ``"success"`` ``{"success": true}``.
        fields: the fields of a key that responses show, in their order; or such lists for ``create``, ``list``, ``get``.
        nulls: whether what has no value is shown as null; ``"present"`` when left out.
        created_status: the status of a response that shows a new key; 201 when left out.
        """

    def flush(self) -> None:
        """Writes down what was counted until now. It happens by itself each second, in ``close``, and when Python exits."""

    def close(self) -> None:
        """Closes the database. A second call does nothing."""

    def __enter__(self) -> Keywright: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    def _flush_events(self) -> None: ...
    def __reduce__(self) -> NoReturn: ...

@final
class Org(Verifier):
    """One org, or every org."""

    @property
    def keys(self) -> Keys:
        """The keys of this org."""

    @property
    def audit(self) -> Audit:
        """The audit chain, as this org sees it."""

@final
class Keys:
    """The keys of an org."""

    def create(
        self,
        *,
        name: str,
        description: str | None = None,
        scopes: str | _Texts | None = None,
        level: _Level | None = None,
        tier: str | None = None,
        limits: _Rules | None = None,
        networks: _Texts | None = None,
        metadata: Mapping[str, Any] | None = None,
        environment: str | None = None,
        expires_in_days: int | None = None,
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> NewKey:
        """Makes a key. ``api_key`` of the answer is the only copy of its text.

        name: what people call it, 1 to 200 characters.
        description: what it is for, as free text of up to 1,000 characters, which may be several lines.
        scopes: what it may do, up to 100, as ``"deals:read,deals:write"`` or a list; nothing when left out.
        level: its HTTP methods. ``"read"`` is GET, HEAD and OPTIONS; ``"read_write"`` those, POST, PUT and PATCH; ``"full"`` is
            every method. Left out, methods are not judged. With another than full, ``verify`` needs ``method``.
        tier: the name of one of the engine's tiers, whose limits it has.
        limits: limits of its own beside those, up to 8, written as for ``Keywright`` but without ``per``, and named unlike
            the engine's. Where the engine has limits with an operation, theirs is one of those.
        networks: the networks it may be used from, up to 100, like ``"203.0.113.0/24"`` or ``"2001:db8::1"``; an empty list
            is nowhere. Left out, there is no restriction. With networks, ``verify`` needs ``ip``.
        metadata: data of your own, up to 16 KiB of JSON, 8 levels deep.
        environment: where it works; the first that the engine accepts when left out.
        expires_in_days: days of 24 hours until it expires, 1 to 36,500. It never expires when this is left out.
        expires_at: in its place, an aware datetime that lies ahead.
        created_by: who makes it, 1 to 200 characters.
        """

    def list(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        status: _Status | Literal["all"] | None = None,
        environment: str | None = None,
        name: str | None = None,
        idle_days: int | None = None,
    ) -> Page[Key]:
        """Lists keys, newest first: all but the revoked ones unless ``status`` asks for them.

        limit: how many on a page, 1 to 1,000.
        cursor: ``next_cursor`` of the page before; the other arguments must be the same.
        status: ``"active"``, ``"disabled"``, ``"expired"`` or ``"revoked"`` for keys in that state, ``"all"`` for every key.
        environment: only keys of this environment.
        name: only keys of exactly this name.
        idle_days: only keys last used, or made and never used, so many days ago or longer; 1 to 36,500.
        """

    def get(self, id: str | int) -> Key:
        """The key of this id."""

    def find(self, prefix: str) -> Key:
        """The key with this prefix, as logs show it."""

    def update(
        self,
        id: str | int,
        *,
        name: str = ...,
        description: str | None = ...,
        scopes: str | _Texts = ...,
        level: _Level | None = ...,
        tier: str | None = ...,
        limits: _Rules | None = ...,
        networks: _Texts | None = ...,
        metadata: Mapping[str, Any] | None = ...,
        expires_in_days: int = ...,
        expires_at: datetime | None = ...,
        actor: str | None = None,
    ) -> Key:
        """Changes what is given; what is left out stays. A revoked key is refused, as is an expiry of an expired one.

        name, description, scopes, level, tier, limits, networks, metadata: as for ``create``. Scopes, limits, networks and
            metadata replace all there was; ``None`` clears a description, level, tier, limits, networks or metadata.
        expires_in_days, expires_at: as for ``create``, from now; ``expires_at=None`` is never.
        actor: who changes it, 1 to 200 characters, for the audit chain.
        """

    def rotate(
        self,
        id: str | int,
        *,
        grace: str | int | timedelta = "24h",
        reason: str | None = None,
        replace_current: bool = False,
        actor: str | None = None,
    ) -> NewKey:
        """Gives the key a new secret; the former one verifies until its grace is over.

        grace: how long that is: a whole number with s, m, h or d, like ``"24h"``, or a timedelta, up to 365 days; 24 hours
            when left out, and never beyond the key's expiry. 0 ends all former secrets now.
        reason: why, 1 to 200 characters. ``"compromised"`` ends all former secrets now, whatever the grace.
        replace_current: during a grace, ends the newest secret now and lets the former one keep its end; not with ``grace``.
        actor: who rotates, 1 to 200 characters.

        Raises ``Conflict`` during the grace of the last rotation, unless all former secrets end now or the current one is replaced.
        """

    def end_grace(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Ends the former secret now."""

    def revoke(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Revokes the key with all its secrets, for ever. A second call changes nothing."""

    def disable(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Switches the key off until ``enable``."""

    def enable(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Switches a disabled key on again."""

    def agents(self, id: str | int) -> _Agents:
        """What was counted for the agents that have used the key, the last used first. Up to 1,000 are counted by themselves, and
        all others together, as ``None``.
        """

    def attest(
        self,
        id: str | int,
        agent: str | None = None,
        claims: Mapping[str, Any] | None = None,
        *,
        attestations: Sequence[Mapping[str, Any]] | None = None,
        actor: str | None = None,
    ) -> _Entries:
        """Writes down what agents claim to do with the key, and gives the audit entries: one of the action ``agent.attest`` for
        each, all of them or none. Nothing of the key changes, and no claim is judged.

        agent: who claims it, 1 to 128 of A-Z, a-z, 0-9, _ . : and -.
        claims: what, up to 16 KiB of JSON, 8 levels deep.
        attestations: in place of both, a list of up to 100 dicts of ``agent`` and ``claims``.
        actor: who says so, 1 to 200 characters.

        Raises ``Conflict`` for a revoked, expired or disabled key.
        """

    def purge(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Wipes the fields of a key that can name a person. The key must have been revoked over 30 days ago.

        Audit entries keep their actor and reason, until ``audit.prune``. The key's id and revocation stay.
        """

@final
class Orgs:
    """The orgs of a database."""

    def get(self, id: str) -> OrgRecord:
        """The org of this id."""

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[OrgRecord]:
        """Lists orgs, newest first."""

    def update(self, id: str, *, networks: _Texts | None = ..., actor: str | None = None) -> OrgRecord:
        """Changes the networks of an org; ``None`` lifts the restriction."""

    def disable(self, id: str, *, reason: str | None = None, actor: str | None = None) -> OrgRecord:
        """Denies every key of the org until ``enable``."""

    def enable(self, id: str, *, reason: str | None = None, actor: str | None = None) -> OrgRecord:
        """Lets the org's keys verify again."""

    def revoke_keys(self, id: str, *, reason: str | None = None, actor: str | None = None) -> int:
        """Revokes every key of the org; answers how many were revoked."""

@final
class Audit:
    """The audit chain."""

    def list(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        key_id: str | int | None = None,
        action: str | None = None,
        agent: str | None = None,
    ) -> Page[AuditEntry]:
        """Lists entries, newest first.

        limit: how many on a page, 1 to 1,000.
        cursor: ``next_cursor`` of the page before; the other arguments must be the same.
        key_id: only what was done to this key.
        action: only this action, like ``"key.revoke"``.
        agent: only what this agent claimed, or what was changed on its behalf.
        """

    def verify(self) -> AuditCheck:
        """Checks the whole chain."""

    def head(self) -> AuditHead:
        """The chain's end, to be kept elsewhere."""

    def prune(self, before: datetime) -> int:
        """Removes the entries before a time and leaves a checkpoint; answers how many were removed."""

class _Record:
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def keys(self) -> list[str]:
        """The names of its fields: with them ``dict(record)`` is as ``to_dict()``."""

    def __getitem__(self, name: str, /) -> Any: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Self: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any: ...
    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: object, _handler: object) -> Any: ...
    @staticmethod
    def _json_schema() -> dict[str, Any]: ...

@disjoint_base
class Key(_Record):
    """A key as every surface shows it. Nothing in it is secret."""

    @property
    def id(self) -> str | int:
        """Its id, which never changes."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def description(self) -> str | None:
        """What it is for, as free text."""

    @property
    def org(self) -> str:
        """The tenant that owns it."""

    @property
    def environment(self) -> str:
        """The environment it works in."""

    @property
    def prefix(self) -> str:
        """The public part of the current secret's text."""

    @property
    def status(self) -> _Status:
        """Its state at the time of the call."""

    @property
    def scopes(self) -> list[str]:
        """What it may do, in canonical order."""

    @property
    def level(self) -> _Level | None:
        """Which HTTP methods it may use; ``None`` leaves them unjudged."""

    @property
    def tier(self) -> str | None:
        """The name of its set of rate limits."""

    @property
    def limits(self) -> list[Limit]:
        """Rate limits of its own."""

    @property
    def networks(self) -> list[str] | None:
        """The networks it may be used from: ``None`` is no restriction, empty is nowhere."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The host's own data."""

    @property
    def created_at(self) -> datetime:
        """When it was made."""

    @property
    def created_by(self) -> str | None:
        """Who made it."""

    @property
    def updated_at(self) -> datetime:
        """When it was last changed."""

    @property
    def expires_at(self) -> datetime | None:
        """From when on it no longer verifies."""

    @property
    def disabled_at(self) -> datetime | None:
        """Since when it is disabled."""

    @property
    def revoked_at(self) -> datetime | None:
        """When it was revoked."""

    @property
    def reason(self) -> str | None:
        """Why it was last disabled or revoked."""

    @property
    def last_used_at(self) -> datetime | None:
        """When one of its secrets was last used."""

    @property
    def usage_count(self) -> int:
        """Allowed verifications."""

    @property
    def denied_count(self) -> int:
        """Refused verifications of a proved secret."""

    @property
    def secrets(self) -> list[Secret]:
        """The secrets that still verify, newest first: the current one, and in grace the former one."""

@final
class NewKey(Key):
    """A key just made or rotated, with the only copy of its text."""

    @property
    def api_key(self) -> str:
        """The text itself. Everything that shows the record as a whole hides it."""

    def reveal(self) -> dict[str, Any]:
        """As ``to_dict``, with the text in it, for the one response that shows it."""

@final
class Secret(_Record):
    """What is public about one secret of a key."""

    @property
    def prefix(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def grace_ends_at(self) -> datetime | None: ...
    @property
    def last_used_at(self) -> datetime | None: ...

@final
class Limit(_Record):
    """A rate limit."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def rate(self) -> int:
        """Requests per minute."""

    @property
    def burst(self) -> int:
        """Requests that may come at once."""

    @property
    def per(self) -> _Per:
        """Whose requests it counts together."""

    @property
    def operation(self) -> str | None:
        """The class of operations that it is for; ``None`` is every request."""

@final
class LimitState(_Record):
    """Where a limit stands after a verification."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def limit(self) -> int:
        """Requests per minute."""

    @property
    def remaining(self) -> int:
        """Requests that are allowed now."""

    @property
    def reset_seconds(self) -> int:
        """After how many seconds it is unused again."""

    @property
    def shared(self) -> bool:
        """Whether all processes share it."""

@final
class OrgRecord(_Record):
    """A tenant."""

    @property
    def id(self) -> str: ...
    @property
    def status(self) -> Literal["active", "disabled"]: ...
    @property
    def networks(self) -> list[str] | None: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def disabled_at(self) -> datetime | None: ...
    @property
    def reason(self) -> str | None: ...

@final
class AuditEntry(_Record):
    """One change, as the audit chain keeps it."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def org(self) -> str | None: ...
    @property
    def actor(self) -> str | None: ...
    @property
    def action(self) -> str: ...
    @property
    def target(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def details(self) -> dict[str, Any]: ...
    @property
    def hash(self) -> str: ...

@final
class AgentUsage(_Record):
    """What was counted for one agent of a key."""

    @property
    def agent(self) -> str | None:
        """The agent; ``None`` for all beyond the first thousand of a key."""

    @property
    def usage_count(self) -> int:
        """Allowed verifications."""

    @property
    def denied_count(self) -> int:
        """Refused verifications of a proved secret."""

    @property
    def last_used_at(self) -> datetime | None:
        """When one was last allowed."""

@final
class Event(_Record):
    """An event of a key or of the database, which ``on_event`` receives. It holds no secret."""

    @property
    def kind(
        self,
    ) -> Literal[
        "created",
        "rotated",
        "former_secret_used",
        "expiring",
        "idle",
        "revoked",
        "refused_after_revocation",
        "store_failed",
        "store_recovered",
    ]:
        """What happened."""

    @property
    def at(self) -> datetime:
        """When."""

    @property
    def org(self) -> str | None:
        """The tenant it concerns; ``None`` for what concerns the database."""

    @property
    def key_id(self) -> str | int | None:
        """The key; ``None`` where every key of the org was revoked."""

    @property
    def name(self) -> str | None:
        """What people call the key."""

    @property
    def environment(self) -> str | None:
        """The environment it works in."""

    @property
    def prefix(self) -> str | None:
        """The public part of the secret that it is about: the newest, or the one that was presented."""

    @property
    def actor(self) -> str | None:
        """Who did it."""

    @property
    def code(self) -> _Denial | None:
        """Why a verification was denied."""

    @property
    def reason(self) -> str | None:
        """Why the database cannot be used, and what to do about it."""

    @property
    def count(self) -> int:
        """How often, since it was last written down; of a revocation, how many keys it ended."""

    @property
    def expires_at(self) -> datetime | None:
        """When the key expires."""

    @property
    def grace_ends_at(self) -> datetime | None:
        """When the former secret stops."""

    @property
    def last_used_at(self) -> datetime | None:
        """When the key was last used."""

    @property
    def lost(self) -> int:
        """How many events before this one were dropped, since the listener was too slow for them."""

@final
class AuditHead(_Record):
    """The end of the audit chain."""

    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> str: ...

@final
class AuditCheck(_Record):
    """What a check of the audit chain found. It is true when the chain is whole."""

    @property
    def ok(self) -> bool: ...
    @property
    def checked(self) -> int: ...
    @property
    def first_seq(self) -> int | None: ...
    @property
    def last_seq(self) -> int | None: ...
    @property
    def problem(self) -> str | None: ...
    def __bool__(self) -> bool: ...

@final
class Parsed(_Record):
    """What the text of a key says about itself."""

    @property
    def environment(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def lookup(self) -> str: ...

@final
class Decision(_Record):
    """What a verification found. It is true when the key is allowed."""

    @property
    def allowed(self) -> bool: ...
    @property
    def code(self) -> _Denial | None:
        """Why it was denied; ``None`` when allowed."""

    @property
    def message(self) -> str: ...
    @property
    def status(self) -> int:
        """The HTTP status to answer with; 200 when allowed."""

    @property
    def key(self) -> Key | None:
        """The key, once its secret was proved."""

    @property
    def missing_scopes(self) -> list[str]: ...
    @property
    def limits(self) -> list[LimitState]: ...
    @property
    def retry_after_seconds(self) -> int | None: ...
    @property
    def deprecated(self) -> bool:
        """Whether the former secret was used, which ends at ``grace_ends_at``."""

    @property
    def grace_ends_at(self) -> datetime | None: ...
    @property
    def agent(self) -> str | None: ...
    def __bool__(self) -> bool: ...

@final
class Page(_Record, Generic[_T]):
    """One page of a list. Iterating it walks this page and all that follow."""

    @property
    def data(self) -> list[_T]: ...
    @property
    def has_more(self) -> bool: ...
    @property
    def next_cursor(self) -> str | None: ...
    def __iter__(self) -> Iterator[_T]: ...
    @classmethod
    def __class_getitem__(cls, item: object) -> GenericAlias: ...
    def _next(self) -> Page[_T] | None: ...

@final
class ManualClock:
    """A clock that stands still until a test moves it."""

    def __new__(cls, start: datetime | None = None) -> ManualClock: ...
    def now(self) -> datetime:
        """The time it shows."""

    def advance(self, by: int | timedelta) -> None:
        """Moves it by so many milliseconds or a timedelta, back when negative."""

    def set(self, now: datetime) -> None:
        """Sets it to ``now``."""

@final
class Config:
    """Checked options, from which ``AsyncKeywright`` opens."""

    def __new__(cls, url: object, **options: object) -> Config: ...
    def open(self) -> Keywright: ...
    def open_to_verify(self) -> Keywright | Unopened: ...
    def texts(self) -> Texts: ...
    @staticmethod
    def read_org(id: object) -> str: ...

@final
class Unopened(Verifier):
    """What judges while the store cannot be opened: every text is ``unavailable``, and misuse still raises."""

@final
class Texts:
    """What is known of key texts alone, without a database."""

    def parse(self, text: str) -> Parsed | None: ...
    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str: ...
    def redact(self, text: str) -> str: ...

@final
class PendingVerification:
    """A verification that waits for a thread of the core."""

    def wait(self) -> Any: ...

def _flush_open() -> None: ...
def _call_unless_left(call: Callable[[], _T], is_left: Callable[[], bool]) -> _T: ...
def _request_id(headers: _Lines) -> str: ...
def _unpickle(class_: str, json: str) -> Any: ...

_Lines: TypeAlias = Sequence[tuple[bytes, bytes] | tuple[str, str] | Sequence[bytes]]

@final
class Needs:
    """What a route needs of who enters it."""

    def __new__(
        cls,
        *,
        scopes: _Texts | str | None = None,
        operation: str | None = None,
        cost: int | None = None,
        environment: str | None = None,
        access: Literal["key", "session", "either", "public", "rule"] | None = None,
        idempotent: bool | Literal["required"] | None = None,
    ) -> Needs:
        """Reads the needs.

        scopes: scopes of a key, all of them, as ``"deals:read,deals:write"`` or a list.
        operation: the class of the operation, for limits that count only one.
        cost: how much of each limit it takes, 1 when left out.
        environment: the only one whose keys may enter.
        access: ``"key"`` (when left out), ``"session"``, ``"either"``, ``"public"``, or ``"rule"`` for the rule of the path.
        idempotent: whether what is sent again under one ``Idempotency-Key`` is done once; ``"required"`` refuses what has none.
        """

@final
class Target:
    """The target of a request to an application that is mounted somewhere, or whose paths are rewritten in front of it."""

    def __new__(cls, target: bytes, *, whole: bytes | None = None, mount: str | None = None, rewritten: bool = False) -> Target:
        """Says what the rules judge.

        target: path and query of which the router gets the path, still percent-encoded as they came.
        whole: the whole target, where the router may look at either: the rules of both have to be met.
        mount: the path at which a header of the request says that the application is mounted.
        rewritten: whether the router gets another path than the one that the client asked for.
        """

    @property
    def target(self) -> bytes:
        """Path and query of which the router gets the path."""

@final
class Passed:
    """A request that may go on."""

    @property
    def principal(self) -> Literal["key", "session", "anyone"]:
        """Who makes it: ``"anyone"`` where the route is public."""

    @property
    def key(self) -> Key | None:
        """The key, where one was presented."""

    @property
    def org(self) -> str | None:
        """The org of the key or session."""

    @property
    def actor(self) -> str | None:
        """Who the session is of, where it names somebody."""

    @property
    def agent(self) -> str | None:
        """On whose behalf it is made, where ``agent_header`` names a header and it came."""

    @property
    def once(self) -> bool:
        """Whether it is to be done once, for which it goes through ``Http.once`` with its body."""

    @property
    def request_id(self) -> str:
        """The id of the exchange, for logs."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What to add to every response to it: ``vary`` to what is there, the others where they are not."""

    def lacking(self, lines: Iterable[tuple[bytes, bytes]] | Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
        """Those of ``headers`` that a response with these header lines still gets."""

@final
class Response:
    """A whole response, to be sent as it is."""

    @property
    def status(self) -> int:
        """The status."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Its headers, with names in lower case; ``content-length`` is left to the server."""

    @property
    def body(self) -> bytes:
        """Its body."""

@final
class PendingResponse:
    """A response that waits for a thread of the core."""

    def wait(self) -> Passed | Response: ...

@final
class Lease:
    """The right to do a request, which nobody else has until ``Http.finish`` or ``Http.release``, or for 60 seconds."""

@final
class Http:
    """An engine that speaks HTTP; ``Keywright.http`` makes one."""

    def authenticate(
        self,
        method: str,
        target: bytes | Target,
        headers: _Lines,
        peer: str | None = None,
        needs: Needs | None = None,
        earlier: Passed | None = None,
    ) -> Passed | Response:
        """Judges a request: a ``Passed`` may go on, a ``Response`` is the answer to send.

        method: its method.
        target: path and query as they came, still percent-encoded.
        headers: all header lines in their order.
        peer: the address of the socket's other end, ``"unix:"`` on a Unix socket; None where nobody tells.
        needs: what the route needs; left out, the rule that its path has.
        earlier: what another guard before has found of the same request, so that it is counted and charged once.
        """

    def check(self, needs: Needs) -> None:
        """Refuses needs of a route that nobody could meet, before any request comes."""

    def manage(
        self,
        method: str,
        target: bytes,
        headers: _Lines,
        peer: str | None,
        body: bytes,
        session: Mapping[str, Any] | None = None,
    ) -> Response:
        """Answers a management request.

        target: path and query from where management is mounted, like ``b"/keys?limit=10"``.
        body: the body.
        session: what the host knows of who asks: ``org``, ``actor`` and ``may``; None for what the request presents.
        """

    def manages(self, target: bytes) -> bool:
        """Whether management answers a target: with the option ``path`` its own routes alone, else every one."""

    def once(self, passed: Passed, body: bytes) -> Lease | Response | None:
        """Asks, before a request with ``once`` is done, whether it was done before: then the answer is what it was then.

        passed: the request that was let in.
        body: its body; one that is longer than ``LARGEST_ONCE`` is refused, and may be cut at the first byte beyond it.

        Gives a ``Response`` to send in place of doing it, a ``Lease`` whose end is to be told, or None for a request that may be
        done as often as it comes.
        """

    def finish(self, lease: Lease, status: int, headers: _Lines, body: bytes) -> None:
        """Ends a lease with the answer that the host gives, which is kept for a repeat.

        headers: its header lines; type, encoding, language, tag and location are kept of them.
        body: its body; one that is longer than 64 KiB is not kept, and may be cut at the first byte beyond it. Nor is one with
        which the answers of its caller would take more than 64 MiB.
        """

    def release(self, lease: Lease) -> None:
        """Ends a lease without an answer: the request broke off, and may be done anew."""

    def explain(
        self, method: str, target: bytes | Target, headers: _Lines, peer: str | None = None, needs: Needs | None = None
    ) -> dict[str, Any]:
        """Says which address a request has and why it is refused, with the nearest fix; nothing is counted for it.

        needs: what the route needs; left out, the rule that its path has. Of management it knows nothing.
        """

    def openapi(self) -> dict[str, Any]:
        """The management endpoints as an OpenAPI 3.1 document, which ``GET /openapi.json`` also answers."""

    def _begin(
        self,
        method: str,
        target: bytes | Target,
        headers: _Lines,
        peer: str | None = None,
        needs: Needs | None = None,
        earlier: Passed | None = None,
    ) -> Passed | Response | PendingResponse: ...
    def _begin_manage(
        self,
        method: str,
        target: bytes,
        headers: _Lines,
        peer: str | None,
        body: bytes,
        session: Mapping[str, Any] | None = None,
    ) -> Response | PendingResponse: ...

@final
class HttpConfig:
    """Checked options of an adapter, from which ``Http`` is made once the engine is open."""

    def __new__(cls, engine: Config, **options: Any) -> HttpConfig: ...
    def manages(self, target: bytes) -> bool: ...
    def open(self, engine: Keywright) -> Http: ...
    def check(self, needs: Needs) -> None: ...
    def unavailable(self, method: str, target: bytes | Target, headers: _Lines) -> Response: ...
