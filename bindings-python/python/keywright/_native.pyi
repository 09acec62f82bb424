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
    "AuthContext",
    "Config",
    "Decision",
    "Event",
    "Http",
    "HttpConfig",
    "ImportReport",
    "ImportedKey",
    "Key",
    "KeyFormats",
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
    "PendingResponse",
    "PendingVerification",
    "Quota",
    "QuotaState",
    "Response",
    "Secret",
    "Target",
    "Unopened",
    "Verifier",
    "__version__",
    "_call_unless_left",
    "_flush_open",
    "_issued",
    "_request_id",
    "_run_cli",
    "_unpickle",
    "_wire_codes",
]

_T = TypeVar("_T", covariant=True)

_Texts: TypeAlias = Sequence[str] | AbstractSet[str]
_Status: TypeAlias = Literal["active", "disabled", "expired", "revoked"]
_Level: TypeAlias = Literal["read", "read_write", "full"]
_Per: TypeAlias = Literal["key", "org", "agent"]
_WhenUnreachable: TypeAlias = Literal["local", "refuse", "allow"]
_Hash: TypeAlias = Literal["hmac-sha256", "argon2id"]
_Pepper: TypeAlias = str | bytes | bytearray
_Rule: TypeAlias = int | Mapping[str, int | str | None]
_Entries: TypeAlias = list[AuditEntry]
_Agents: TypeAlias = list[AgentUsage]
_Rules: TypeAlias = Mapping[str, _Rule] | Sequence[Mapping[str, int | str | None]]
_Quotas: TypeAlias = Mapping[str, Mapping[str, int | str | None]] | Sequence[Mapping[str, int | str | None]]
_Every: TypeAlias = Literal["hour", "day", "week", "month"]
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
    "quota_exceeded",
    "unavailable",
]

__version__: str

@disjoint_base
class Verifier:
    """Base class of everything that verifies: an engine, and the handle of an org."""

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
        """Verifies the text of a key. A bad key, and trouble in the store, is a decision and no exception.

        text: the key as the client sent it, text or bytes; ``None`` means no credential, code ``missing``.
        scopes: the scopes that the request needs, all of them, as ``"deals:read,deals:write"`` or a list.
        method: the HTTP method, in capitals. Without it, a key with a level other than full is denied ``method_not_allowed``.
        ip: the client's address. Without it, a key with networks, of its own or of its org, is denied ``ip_not_allowed``.
        environment: the only environment that this request accepts, one of the engine's.
        operation: the class of the request, for limits that count only one class; one that a limit of the engine names.
        cost: how much of each limit the request takes, 1 when left out.
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
        """Verifies like ``verify``, with the same arguments, and returns the key. Raises ``Denied`` for a denied key."""

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
    ) -> Keywright:
        """Opens the database.

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
    def keys(self) -> Keys:
        """The keys of the org ``default``."""

    @property
    def orgs(self) -> Orgs:
        """The orgs themselves."""

    @property
    def audit(self) -> Audit:
        """The audit chain, as the org ``default`` sees it."""

    def org(self, id: str) -> Org:
        """Returns a handle for one org. It sees, creates and verifies only the keys of this org."""

    def every_org(self) -> Org:
        """Returns the only handle across orgs."""

    def parse(self, text: str) -> Parsed | None:
        """Parses the text of a key. This proves nothing about the key."""

    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str:
        """Returns the regular expression of the engine's keys, for secret scanners.

        syntax: ``"perl"``, which Python reads too (when left out), or ``"ere"``, which ``grep -E`` reads.
        """

    def redact(self, text: str) -> str:
        """Masks the secret of every key in a text, also of imported ones."""

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
        """Returns the HTTP contract of the engine. The adapters call this themselves.

        credentials: the request headers that may carry a key; ``["Authorization", "Api-Key", "X-API-Key"]`` when left out.
            ``Authorization`` means its scheme ``Bearer``; ``"Authorization: Api-Key"`` names another scheme. A request with two
            credentials is refused.
        realm: the realm of a challenge; ``"api"`` when left out.
        trusted_proxies: the proxies whose ``X-Forwarded-For`` is trusted: addresses, networks, and ``"unix:"`` for any program
            that connects to a Unix socket.
        routes: rules, each a dict of ``path`` (``"/deals/{id}"``, ``"/files/{*rest}"``), ``method`` (one, a list, or left out
            for all), and the arguments of ``Needs``: ``scopes``, ``operation``, ``cost``, ``environment``, ``access``,
            ``idempotent``.
        default: the rule of any other route, if there are rules: ``"deny"`` (when left out) or ``"authenticated"``.
        errors: the format of errors: ``"problem"`` (RFC 9457, when left out), ``"list"`` or ``"plain"``.
        deprecation_headers: adds ``Deprecation`` and ``Sunset`` headers for a former secret.
        rate_limit_headers: ``"draft"`` (when left out) shows every limit in ``RateLimit-Policy`` and ``RateLimit``; ``"legacy"``
            shows the limit with the fewest requests left in ``X-RateLimit-Limit``, ``-Remaining`` and ``-Reset`` (in seconds
            from now); or ``"both"``.
        session: the check of session tokens (JWT): a dict of ``algorithm`` with ``key`` or ``key_file``, or ``jwks``,
            ``jwks_file``, ``jwks_url`` or ``issuer`` alone with ``algorithms`` (accepted ones, also for keys without ``alg``);
            ``issuer``, ``audience``, ``org_claim``, ``actor_claim``, ``may``, ``may_claim``, ``leeway_seconds``. A changed file is
            read again. The keys of ``jwks_url``, and those that the discovery of ``issuer`` names, are fetched with the first
            token and kept current; ``max_outage`` (``"24h"`` when left out) is how long the last ones stay in use.
        keys_may_manage: lets a key with the scope ``keys:manage`` manage keys that have no more rights than itself.
        revoke_children: revoking a key also revokes the keys that it has created.
        self_service: the calls under ``/whoami`` by which a key reads or changes itself: some of ``"show"``, ``"rotate"``,
            ``"revoke"`` and ``"attest"``; ``["show", "revoke"]`` when left out. Any other call gets 404.
        origins: other origins whose pages may manage keys with a session.
        preflight: whether the guard answers a CORS preflight with 204 (``"answer"``, when left out) or passes it to a CORS
            layer behind it (``"pass"``).
        forward_auth: serves the forward authentication of this proxy at ``/forward-auth``, below the path of management.
        agent_header: the header, like ``X-Agent-Id``, that names the agent of a request: 1 to 128 of A-Z, a-z, 0-9, _ . : and
            -. Limits, counters and the audit use it; it grants no rights. No header is read when left out.
        path: the path of management among the other routes of the API, like ``"/api-keys"``. Other requests are left to the
            host.
        mount: the path, like ``"/api"``, at which a proxy mounts the application. The proxy sends it in a header
            (``SCRIPT_NAME`` for gunicorn, ``Daphne-Root-Path`` for Daphne) with every request.
        rewrites: accepts a path that was rewritten in front of the guard, and applies the rules to the new path; refused when left out.
        casing: the casing of field names in requests and responses: ``"snake"`` when left out.
        list: the format of a list: an object with a cursor, ``"envelope"`` when left out, or the items alone, up to 1,000 with a ``Link``.
        secret_field: the field with the text of a new key; ``"api_key"`` when left out.
        revoked: the response of a revocation: the ``"key"`` when left out, or with ``"success"`` ``{"success": true}``.
        fields: the fields of a key in responses, in order; or such lists for ``create``, ``list``, ``get``.
        nulls: whether fields without a value are null or absent; ``"present"`` when left out.
        created_status: the status of a response with a new key; 201 when left out.
        """

    def flush(self) -> None:
        """Writes the counters to the database. This also happens every second, in ``close``, and when Python exits."""

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
        quotas: _Quotas | None = None,
        networks: _Texts | None = None,
        metadata: Mapping[str, Any] | None = None,
        environment: str | None = None,
        expires_in_days: int | None = None,
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> NewKey:
        """Creates a key. ``api_key`` of the result is the only copy of its text.

        name: a display name, 1 to 200 characters.
        description: what it is for, as free text of up to 1,000 characters, which may be several lines.
        scopes: the scopes of the key, up to 100, as ``"deals:read,deals:write"`` or a list; none when left out.
        level: the HTTP methods of the key. ``"read"`` allows GET, HEAD and OPTIONS; ``"read_write"`` also POST, PUT and PATCH;
            ``"full"`` every method. Without a level, methods are not checked. With a level other than full, ``verify`` needs
            ``method``.
        tier: the name of a tier of the engine, whose limits and quotas apply to the key.
        limits: further limits of the key alone, up to 8, written as for ``Keywright`` but without ``per``. Their names differ
            from those of the engine's limits. If the engine has limits with an operation, the operation of each is one of
            those.
        quotas: further quotas of the key alone, up to 8, written as for ``Keywright`` but without ``per``, under the same
            conditions.
        networks: the networks that may use the key, up to 100, like ``"203.0.113.0/24"`` or ``"2001:db8::1"``; none for an
            empty list, no restriction when left out. With networks, ``verify`` needs ``ip``.
        metadata: your own data, up to 16 KiB of JSON, 8 levels deep.
        environment: the environment of the key; the first that the engine accepts when left out.
        expires_in_days: days of 24 hours until the key expires, 1 to 36,500. Without it, the key never expires.
        expires_at: an aware datetime in the future, instead of ``expires_in_days``.
        created_by: the creator of the key, 1 to 200 characters.
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

        limit: the number of items on a page, 1 to 1,000.
        cursor: ``next_cursor`` of the previous page; the other arguments must be the same.
        status: ``"active"``, ``"disabled"``, ``"expired"`` or ``"revoked"`` for keys in that state, ``"all"`` for every key.
        environment: only keys of this environment.
        name: only keys of exactly this name.
        idle_days: only keys that were last used, or created and never used, at least this many days ago; 1 to 36,500.
        """

    def get(self, id: str | int) -> Key:
        """Returns the key with this id."""

    def find(self, prefix: str) -> Key:
        """Returns the key with this prefix, as logs show it."""

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
        quotas: _Quotas | None = ...,
        networks: _Texts | None = ...,
        metadata: Mapping[str, Any] | None = ...,
        expires_in_days: int = ...,
        expires_at: datetime | None = ...,
        actor: str | None = None,
    ) -> Key:
        """Changes the given fields. A revoked key is refused, and so is a new expiry of an expired one.

        The arguments are those of ``create`` without environment and created_by. A new list, dict or metadata replaces all
        there was; ``None`` clears any field but the name and the scopes. The days of ``expires_in_days`` start now.

        actor: the actor in the audit chain, 1 to 200 characters.
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
        """Gives the key a new secret. The former one verifies until its grace ends.

        grace: its duration: a whole number with s, m, h or d, like ``"24h"``, or a timedelta, up to 365 days; 24 hours when
            left out, and never beyond the key's expiry. 0 ends all former secrets now.
        reason: the reason, 1 to 200 characters. ``"compromised"`` ends all former secrets now, regardless of the grace.
        replace_current: during a grace, ends the newest secret now and lets the former one keep its end; not with ``grace``.
        actor: the actor in the audit chain, 1 to 200 characters.

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
        """Returns the counters of the agents that have used the key, the most recent first. The first 1,000 agents have
        counters of their own; all others share one, as ``None``.
        """

    def credit(
        self,
        id: str | int,
        amount: int,
        *,
        quota: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> QuotaState:
        """Raises a balance that the key draws on, its own or its org's, and returns the state of the balance. Other processes
        admit requests by it after a second at most.

        amount: the requests to add, 1 to 999,999,999,999,999.
        quota: the name of the balance; the only one of the key when left out.
        reason: the reason, 1 to 200 characters.
        actor: the actor in the audit chain, 1 to 200 characters.

        Raises ``Conflict`` for a revoked key.
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
        """Records what agents claim to do with the key, and returns the audit entries: one of the action ``agent.attest`` each,
        all or none. The key does not change, and the claims are not checked.

        agent: the agent, 1 to 128 of A-Z, a-z, 0-9, _ . : and -.
        claims: its claims, up to 16 KiB of JSON, 8 levels deep.
        attestations: instead of both, a list of up to 100 dicts of ``agent`` and ``claims``.
        actor: the actor in the audit chain, 1 to 200 characters.

        Raises ``Conflict`` for a revoked, expired or disabled key.
        """

    def import_hashed(
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
        """Imports keys that another product has issued. They keep their texts: a verification compares a text with what the
        product has stored, and the first one that succeeds replaces that by a hash of this engine. All keys of a call are written
        together, or none. A key that is there already stays as it is.

        keys: 1 to 1,000 dicts, each with ``name`` and ``verifier``, which is what the product has stored (the guide lists the forms).
            ``lookup`` is the part of the text that finds the key; without one in the format, ``start`` may give the first characters
            of the text. ``id``, ``org`` (on the handle of every org), ``environment``, the settings of ``create``, ``created_at``,
            ``expires_at``, ``disabled_at``, ``revoked_at``, ``reason``, ``last_used_at`` and ``usage_count`` carry over.
        format: ``"djangorestframework-api-key"``, ``"better-auth"``, ``"sanctum"``, ``"unkey"``, ``"prefixed-api-key"``, ``"bcrypt"``, or a
            template such as ``"acme_{lookup:8}_{secret}"``.
        start: the fixed start of the texts of a named format that has one.
        hashed: with a template, what the product has hashed: the whole ``"text"`` or the ``"secret"``.
        dry_run: whether to report what would be imported, and write nothing.
        skip_refused: whether to import the other keys if some are refused, and report these.
        actor: the actor in the audit chain, 1 to 200 characters.

        Raises ``ValidationFailed``, ``InvalidRequest`` or ``Conflict`` with a field like ``keys[17].verifier``.
        """

    def purge(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Wipes the fields of a key that can name a person. The key must have been revoked over 30 days ago.

        Audit entries keep their actor and reason, until ``audit.prune``. The key's id and revocation stay.
        """

@final
class Orgs:
    """The orgs of a database."""

    def get(self, id: str) -> OrgRecord:
        """Returns the org with this id."""

    def list(self, *, limit: int = 100, cursor: str | None = None) -> Page[OrgRecord]:
        """Lists orgs, newest first."""

    def update(self, id: str, *, networks: _Texts | None = ..., actor: str | None = None) -> OrgRecord:
        """Changes the networks of an org; ``None`` lifts the restriction."""

    def disable(self, id: str, *, reason: str | None = None, actor: str | None = None) -> OrgRecord:
        """Denies every key of the org until ``enable``."""

    def enable(self, id: str, *, reason: str | None = None, actor: str | None = None) -> OrgRecord:
        """Lets the org's keys verify again."""

    def revoke_keys(self, id: str, *, reason: str | None = None, actor: str | None = None) -> int:
        """Revokes every key of the org. Returns their number."""

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

        limit: the number of items on a page, 1 to 1,000.
        cursor: ``next_cursor`` of the previous page; the other arguments must be the same.
        key_id: only changes of this key.
        action: only this action, like ``"key.revoke"``.
        agent: only claims of this agent, and changes on its behalf.
        """

    def verify(self) -> AuditCheck:
        """Checks the whole chain."""

    def head(self) -> AuditHead:
        """Returns the end of the chain, to keep it elsewhere."""

    def prune(self, before: datetime) -> int:
        """Removes the entries before a time and leaves a checkpoint. Returns their number."""

class _Record:
    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for JSON, with times as RFC 3339 text."""

    def keys(self) -> list[str]:
        """Returns the field names, so that ``dict(record)`` equals ``to_dict()``."""

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
    """A key. It contains no secret."""

    @property
    def id(self) -> str | int:
        """The id, which never changes."""

    @property
    def name(self) -> str:
        """The display name."""

    @property
    def description(self) -> str | None:
        """The purpose of the key, as free text."""

    @property
    def org(self) -> str:
        """The org that owns the key."""

    @property
    def environment(self) -> str:
        """The environment of the key."""

    @property
    def prefix(self) -> str:
        """The public part of the current secret's text."""

    @property
    def status(self) -> _Status:
        """The state of the key at the time of the call."""

    @property
    def scopes(self) -> list[str]:
        """The scopes, in canonical order."""

    @property
    def level(self) -> _Level | None:
        """The level, which decides about HTTP methods; ``None`` allows all."""

    @property
    def tier(self) -> str | None:
        """The name of the tier."""

    @property
    def limits(self) -> list[Limit]:
        """The rate limits of the key itself."""

    @property
    def quotas(self) -> list[Quota]:
        """The quotas of the key itself."""

    @property
    def networks(self) -> list[str] | None:
        """The networks that may use the key: no restriction for ``None``, none for an empty list."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The data of the host."""

    @property
    def created_at(self) -> datetime:
        """The time of its creation."""

    @property
    def created_by(self) -> str | None:
        """The creator."""

    @property
    def updated_at(self) -> datetime:
        """The time of the last change."""

    @property
    def expires_at(self) -> datetime | None:
        """The time from which the key no longer verifies."""

    @property
    def disabled_at(self) -> datetime | None:
        """The time since which the key is disabled."""

    @property
    def revoked_at(self) -> datetime | None:
        """The time of the revocation."""

    @property
    def reason(self) -> str | None:
        """The reason of the last disabling or revocation."""

    @property
    def last_used_at(self) -> datetime | None:
        """The time of the last use of one of its secrets."""

    @property
    def usage_count(self) -> int:
        """The number of allowed verifications."""

    @property
    def denied_count(self) -> int:
        """The number of denied verifications of a proved secret."""

    @property
    def secrets(self) -> list[Secret]:
        """The secrets that still verify, newest first: the current one and, during its grace, the former one."""

@final
class NewKey(Key):
    """A key that was just created or rotated, with the only copy of its text."""

    @property
    def api_key(self) -> str:
        """The text of the key. Everything that shows the record as a whole hides it."""

    def reveal(self) -> dict[str, Any]:
        """Returns ``to_dict()`` with the text in it, for the one response that shows it."""

@final
class Secret(_Record):
    """The public data of one secret of a key."""

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
        """The name of the limit."""

    @property
    def rate(self) -> int:
        """Requests per minute."""

    @property
    def burst(self) -> int:
        """Requests allowed at once."""

    @property
    def per(self) -> _Per:
        """The requests that it counts together: those of a key, an org or an agent."""

    @property
    def operation(self) -> str | None:
        """The class of operations that the limit counts; ``None`` for every request."""

    @property
    def exact(self) -> bool:
        """Whether processes of several machines buy each request of its own."""

    @property
    def when_unreachable(self) -> _WhenUnreachable:
        """The answer when the place of shared limits cannot be reached."""

@final
class LimitState(_Record):
    """The state of a limit after a verification."""

    @property
    def name(self) -> str:
        """The name of the limit."""

    @property
    def limit(self) -> int:
        """Requests per minute."""

    @property
    def remaining(self) -> int:
        """The number of requests allowed now."""

    @property
    def reset_seconds(self) -> int:
        """The seconds until the limit is unused again."""

    @property
    def shared(self) -> bool:
        """Whether processes shared the limit for this verification."""

@final
class Quota(_Record):
    """A quota."""

    @property
    def name(self) -> str:
        """The name of the quota."""

    @property
    def amount(self) -> int:
        """Requests in each period; for a balance, the requests that it begins with."""

    @property
    def every(self) -> _Every | None:
        """The period in UTC; ``None`` for a balance."""

    @property
    def anchor(self) -> int | None:
        """The day of the month on which a month begins; ``None`` for the first."""

    @property
    def per(self) -> Literal["key", "org"]:
        """The requests that it counts together: those of a key or an org."""

    @property
    def operation(self) -> str | None:
        """The class of operations that the quota counts; ``None`` for every request."""

@final
class QuotaState(_Record):
    """The state of a quota."""

    @property
    def name(self) -> str:
        """The name of the quota."""

    @property
    def amount(self) -> int:
        """Requests in each period; for a balance, all that it was ever given."""

    @property
    def used(self) -> int:
        """Requests that were counted, up to the last time that this process asked the database."""

    @property
    def remaining(self) -> int:
        """Requests that are left."""

    @property
    def every(self) -> _Every | None:
        """The period in UTC; ``None`` for a balance."""

    @property
    def starts_at(self) -> datetime | None:
        """The start of the present period; ``None`` for a balance."""

    @property
    def resets_at(self) -> datetime | None:
        """The start of the next period, when the count begins anew; ``None`` for a balance."""

    @property
    def reset_seconds(self) -> int | None:
        """The seconds until the next period; ``None`` for a balance."""

@final
class OrgRecord(_Record):
    """An org."""

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
    """One entry of the audit chain."""

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
class ImportReport(_Record):
    """The outcome of an import."""

    @property
    def data(self) -> list[ImportedKey]:
        """The keys, in the order in which they were given."""

    @property
    def imported(self) -> int:
        """The number of imported keys, or of those that an import without ``dry_run`` would import."""

    @property
    def existing(self) -> int:
        """The number of keys that were there already."""

    @property
    def refused(self) -> int:
        """The number of refused keys."""

@final
class ImportedKey(_Record):
    """The outcome of the import of one key."""

    @property
    def index(self) -> int:
        """The place of the key in the call, from 0."""

    @property
    def id(self) -> str | int | None:
        """The id; ``None`` for a refused key, and for a new key of a dry run."""

    @property
    def outcome(self) -> Literal["imported", "existing", "refused"]:
        """``imported``, ``existing`` or ``refused``."""

    @property
    def not_applied(self) -> list[str]:
        """Of a key that was there already, the times of the import by which it has ended, or ends sooner, than the one that is there:
        ``revoked_at``, ``disabled_at``, ``expires_at``. They were not applied.
        """

    @property
    def error(self) -> dict[str, Any] | None:
        """The ``code``, ``field`` and ``message`` of the error of a refused key."""

@final
class AgentUsage(_Record):
    """The counters of one agent of a key."""

    @property
    def agent(self) -> str | None:
        """The agent; ``None`` for all agents after the first thousand of a key."""

    @property
    def usage_count(self) -> int:
        """The number of allowed verifications."""

    @property
    def denied_count(self) -> int:
        """The number of denied verifications of a proved secret."""

    @property
    def last_used_at(self) -> datetime | None:
        """The time of the last allowed verification."""

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
        "credited",
        "revoked",
        "refused_after_revocation",
        "store_failed",
        "store_recovered",
        "store_replaced",
        "limits_unshared",
        "provider_failed",
        "provider_recovered",
        "webhook_disabled",
    ]:
        """The kind of the event."""

    @property
    def at(self) -> datetime:
        """The time of the event."""

    @property
    def org(self) -> str | None:
        """The org; ``None`` for an event of the database."""

    @property
    def key_id(self) -> str | int | None:
        """The key; ``None`` if every key of the org was revoked."""

    @property
    def name(self) -> str | None:
        """The display name of the key."""

    @property
    def environment(self) -> str | None:
        """The environment of the key."""

    @property
    def prefix(self) -> str | None:
        """The public part of the secret: the newest one, or the one that was presented."""

    @property
    def actor(self) -> str | None:
        """The actor."""

    @property
    def code(self) -> _Denial | None:
        """The code of a denied verification."""

    @property
    def reason(self) -> str | None:
        """Why the database, another server or a webhook endpoint cannot be used, or which other database answers, and the fix."""

    @property
    def count(self) -> int:
        """The number of occurrences since the last flush; for a revocation, the number of revoked keys; for a credit, the amount."""

    @property
    def expires_at(self) -> datetime | None:
        """The expiry of the key."""

    @property
    def grace_ends_at(self) -> datetime | None:
        """The end of the grace of the former secret."""

    @property
    def last_used_at(self) -> datetime | None:
        """The time of the last use of the key."""

    @property
    def lost(self) -> int:
        """The number of events dropped before this one because the listener was too slow."""

@final
class AuditHead(_Record):
    """The end of the audit chain."""

    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> str: ...

@final
class AuditCheck(_Record):
    """The result of a check of the audit chain. It is true when the chain is intact."""

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
    """The parts of the text of a key."""

    @property
    def environment(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def lookup(self) -> str: ...

@final
class Decision(_Record):
    """The outcome of a verification. It is true when the key is allowed."""

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
    def quotas(self) -> list[QuotaState]:
        """The quotas that apply to the request, as far as this process knows their counts."""

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
    """One page of a list. Iteration covers this page and all that follow."""

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
    @staticmethod
    def _received(
        data: list[Any], has_more: bool, next_cursor: str | None, turn: Callable[[str], tuple[list[Any], bool, str | None]]
    ) -> Page[Any]: ...

@final
class ManualClock:
    """A clock that stands still until a test moves it."""

    def __new__(cls, start: datetime | None = None) -> ManualClock: ...
    def now(self) -> datetime:
        """The time it shows."""

    def advance(self, by: int | timedelta) -> None:
        """Moves it by this many milliseconds or a timedelta, back when negative."""

    def set(self, now: datetime) -> None:
        """Sets it to ``now``."""

@final
class Config:
    """Checked options, from which ``AsyncKeywright`` opens."""

    def __new__(cls, url: object, **options: object) -> Config: ...
    def open(self) -> Keywright: ...
    def open_to_verify(self) -> Keywright | Unopened: ...
    def key_formats(self) -> KeyFormats: ...
    def has_database(self) -> bool: ...
    @staticmethod
    def read_org(id: object) -> str: ...

@final
class Unopened(Verifier):
    """A verifier for a store that cannot be opened: every decision is ``unavailable``. A request without meaning still raises."""

@final
class KeyFormats:
    """Operations on the text of keys that need no database."""

    def parse(self, text: str) -> Parsed | None: ...
    def key_pattern(self, syntax: Literal["perl", "ere"] | None = None) -> str: ...
    def redact(self, text: str) -> str: ...

@final
class PendingVerification:
    """A verification that waits for a thread of the core."""

    def wait(self) -> Any: ...

def _flush_open() -> None: ...
def _call_unless_left(call: Callable[[], _T], is_left: Callable[[], bool]) -> _T: ...
def _issued(json: str, text: str) -> NewKey: ...
def _request_id(headers: _Lines) -> str: ...
def _run_cli(arguments: list[str]) -> int: ...
def _unpickle(class_: str, json: str) -> Any: ...
def _wire_codes() -> dict[str, str]: ...

_Lines: TypeAlias = Sequence[tuple[bytes, bytes] | tuple[str, str] | Sequence[bytes]]

@final
class Needs:
    """The needs of a route."""

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

        scopes: the scopes that a key must have, all of them, as ``"deals:read,deals:write"`` or a list.
        operation: the class of the operation, for limits that count only one class.
        cost: how much of each limit the request takes, 1 when left out.
        environment: the only environment whose keys are accepted.
        access: ``"key"`` (when left out), ``"session"``, ``"either"``, ``"public"``, or ``"rule"`` for the rule of the path.
        idempotent: whether requests with the same ``Idempotency-Key`` run once; ``"required"`` refuses a request without one.
        """

@final
class Target:
    """The target of a request to an application that is mounted under a path, or behind a rewrite of paths."""

    def __new__(cls, target: bytes, *, whole: bytes | None = None, mount: str | None = None, rewritten: bool = False) -> Target:
        """Says what the rules judge.

        target: path and query, percent-encoded as the client sent them, with the path that the router gets.
        whole: the whole target, where the router may use either path: the request must meet the rules of both.
        mount: the path at which a header of the request mounts the application.
        rewritten: whether the router gets another path than the client sent.
        """

    @property
    def target(self) -> bytes:
        """Path and query, with the path that the router gets."""

@final
class AuthContext:
    """A request that the contract lets through."""

    @property
    def principal(self) -> Literal["key", "session", "anyone"]:
        """The kind of caller; ``"anyone"`` on a public route."""

    @property
    def key(self) -> Key | None:
        """The key, if the caller presented one."""

    @property
    def org(self) -> str | None:
        """The org of the key or session."""

    @property
    def actor(self) -> str | None:
        """The actor of the session, if it names one."""

    @property
    def agent(self) -> str | None:
        """The agent on whose behalf the request is made, if the header that ``agent_header`` names is present."""

    @property
    def once(self) -> bool:
        """Whether the request is idempotent. If so, call ``Http.once`` with its body before handling it."""

    @property
    def request_id(self) -> str:
        """The request id, for logs."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every response. Append ``vary`` to an existing one; add any other only if it is absent."""

    def lacking(self, lines: Iterable[tuple[bytes, bytes]] | Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
        """Returns the entries of ``headers`` that a response with these header lines lacks."""

@final
class Response:
    """A complete response."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers, with lower-case names, without ``content-length``."""

    @property
    def body(self) -> bytes:
        """The body."""

@final
class PendingResponse:
    """A response that waits for a thread of the core."""

    def wait(self) -> AuthContext | Response: ...

@final
class Lease:
    """The exclusive right to handle an idempotent request, until ``Http.finish`` or ``Http.release``, at most for 60 seconds."""

@final
class Http:
    """The HTTP contract of an engine, from ``Keywright.http``."""

    def authenticate(
        self,
        method: str,
        target: bytes | Target,
        headers: _Lines,
        peer: str | None = None,
        needs: Needs | None = None,
        earlier: AuthContext | None = None,
    ) -> AuthContext | Response:
        """Authenticates a request. A ``AuthContext`` lets it through; a ``Response`` is the response to send.

        method: the HTTP method.
        target: path and query, percent-encoded as the client sent them.
        headers: all header lines in order.
        peer: the address of the peer, ``"unix:"`` on a Unix socket, None if it is unknown.
        needs: the needs of the route; the rule of its path when left out.
        earlier: the pass of an earlier guard for the same request, so that counters and limits count it once.
        """

    def check(self, needs: Needs) -> None:
        """Raises if no request could meet the needs of a route."""

    def manage(
        self,
        method: str,
        target: bytes,
        headers: _Lines,
        peer: str | None,
        body: bytes,
        session: Mapping[str, Any] | None = None,
    ) -> Response:
        """Handles a management request.

        target: path and query below the path of management, like ``b"/keys?limit=10"``.
        body: the body.
        session: the caller as the host knows it: ``org``, ``actor`` and ``may``; None for the credential of the request.
        """

    def manages(self, target: bytes) -> bool:
        """Tells whether management serves a target: with the option ``path`` only its own routes, else every one."""

    def once(self, context: AuthContext, body: bytes) -> Lease | Response | None:
        """Starts an idempotent request: returns a lease, or the stored response of the same request.

        context: the context of the request.
        body: the body of the request. A body longer than ``LARGEST_ONCE`` is refused, and may be cut at the first byte beyond
            it.

        Returns a ``Response`` to send instead of running the request, a ``Lease`` to end, or None for a request that may run
        every time.
        """

    def finish(self, lease: Lease, status: int, headers: _Lines, body: bytes) -> None:
        """Ends a lease with the response of the host, which is stored for a repeat.

        headers: its header lines, of which type, encoding, language, tag and location are stored.
        body: its body. A body longer than 64 KiB is not stored, and may be cut at the first byte beyond it. Nor is it stored if
        the responses of its caller would then take more than 64 MiB.
        """

    def release(self, lease: Lease) -> None:
        """Ends a lease without a response: the request broke off and may run again."""

    def explain(
        self, method: str, target: bytes | Target, headers: _Lines, peer: str | None = None, needs: Needs | None = None
    ) -> dict[str, Any]:
        """Explains the address of a request and why it is refused, with the nearest fix. Counts nothing.

        needs: the needs of the route; the rule of its path when left out. Of management it knows nothing.
        """

    def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI 3.1 document of the management endpoints, which ``GET /openapi.json`` also serves."""

    def _begin(
        self,
        method: str,
        target: bytes | Target,
        headers: _Lines,
        peer: str | None = None,
        needs: Needs | None = None,
        earlier: AuthContext | None = None,
    ) -> AuthContext | Response | PendingResponse: ...
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
    """The checked options of an adapter. It makes the ``Http`` once the engine is open."""

    def __new__(cls, engine: Config, **options: Any) -> HttpConfig: ...
    def manages(self, target: bytes) -> bool: ...
    def open(self, engine: Keywright) -> Http: ...
    def check(self, needs: Needs) -> None: ...
    def unavailable(self, method: str, target: bytes | Target, headers: _Lines) -> Response: ...
