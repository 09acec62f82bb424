from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from types import GenericAlias, TracebackType
from typing import Any, Generic, Literal, NoReturn, TypeAlias, TypeVar, final

from typing_extensions import disjoint_base

__all__ = [
    "Audit",
    "AuditCheck",
    "AuditEntry",
    "AuditHead",
    "Config",
    "Decision",
    "Key",
    "Keys",
    "Keywright",
    "Later",
    "Limit",
    "ManualClock",
    "NewKey",
    "Org",
    "OrgRecord",
    "Orgs",
    "Page",
    "Parsed",
    "Secret",
    "Texts",
    "__version__",
    "_thaw",
    "hash_case",
    "plant",
]

_T = TypeVar("_T", covariant=True)

_Texts: TypeAlias = Sequence[str] | AbstractSet[str]
_Status: TypeAlias = Literal["active", "disabled", "expired", "revoked"]
_Level: TypeAlias = Literal["read", "read_write", "full"]
_Hash: TypeAlias = Literal["hmac-sha256", "argon2id"]
_Pepper: TypeAlias = str | bytes | bytearray
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

@final
class Keywright:
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
        pepper: _Pepper | Sequence[_Pepper] | None = None,
        retired_peppers: Sequence[_Pepper] | None = None,
        hash: _Hash | None = None,
        retired_hashes: Sequence[_Hash] | AbstractSet[_Hash] | None = None,
        id_style: Literal["uuid", "integer"] | None = None,
        read_only: bool = False,
        busy_timeout: str | timedelta | None = None,
        clock: ManualClock | None = None,
    ) -> Keywright:
        """Opens the database, which is made when it does not exist."""

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

    def verify(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | _Texts | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
    ) -> Decision:
        """Judges the text of a key. Never raises for a bad one."""

    def authenticate(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | _Texts | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
    ) -> Key:
        """As ``verify``, but gives the key, or raises ``Denied``."""

    def parse(self, text: str) -> Parsed | None:
        """What the text of a key says about itself. Nothing is proved by it."""

    def key_pattern(self) -> str:
        """The regular expression of this engine's keys, for secret scanners."""

    def redact(self, text: str) -> str:
        """The text with the secret of every key in it masked."""

    def close(self) -> None:
        """Closes the database. A second call does nothing."""

    def __enter__(self) -> Keywright: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    def __reduce__(self) -> NoReturn: ...
    def _begin_verify(self, text: object, **request: object) -> Decision | Later: ...
    def _begin_authenticate(self, text: object, **request: object) -> Key | Later: ...

@final
class Org:
    """One org, or every org."""

    @property
    def keys(self) -> Keys:
        """The keys of this org."""

    @property
    def audit(self) -> Audit:
        """The audit chain, as this org sees it."""

    def verify(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | _Texts | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
    ) -> Decision:
        """As ``Keywright.verify``, for keys of this org only."""

    def authenticate(
        self,
        text: str | bytes | bytearray | None,
        *,
        scopes: str | _Texts | None = None,
        method: str | None = None,
        ip: str | None = None,
        environment: str | None = None,
    ) -> Key:
        """As ``Keywright.authenticate``, for keys of this org only."""

    def _begin_verify(self, text: object, **request: object) -> Decision | Later: ...
    def _begin_authenticate(self, text: object, **request: object) -> Key | Later: ...

@final
class Keys:
    """The keys of an org."""

    def create(
        self,
        *,
        name: str,
        scopes: str | _Texts | None = None,
        level: _Level | None = None,
        networks: _Texts | None = None,
        metadata: Mapping[str, Any] | None = None,
        environment: str | None = None,
        expires_in_days: int | None = None,
        expires_at: datetime | None = None,
        created_by: str | None = None,
    ) -> NewKey:
        """Makes a key. ``api_key`` of the answer is the only copy of its text."""

    def list(
        self,
        *,
        limit: int = 100,
        cursor: str | None = None,
        status: _Status | Literal["all"] | None = None,
        environment: str | None = None,
        name: str | None = None,
    ) -> Page[Key]:
        """Lists keys, newest first; all but the revoked ones unless ``status`` asks for them."""

    def get(self, id: str | int) -> Key:
        """The key of this id."""

    def find(self, prefix: str) -> Key:
        """The key with this prefix, as logs show it."""

    def update(
        self,
        id: str | int,
        *,
        name: str = ...,
        scopes: str | _Texts = ...,
        level: _Level | None = ...,
        networks: _Texts | None = ...,
        metadata: Mapping[str, Any] | None = ...,
        expires_in_days: int = ...,
        expires_at: datetime | None = ...,
        actor: str | None = None,
    ) -> Key:
        """Changes what is given. ``None`` clears a level, networks, metadata or an expiry."""

    def rotate(
        self,
        id: str | int,
        *,
        grace: str | int | timedelta = "24h",
        reason: str | None = None,
        replace_current: bool = False,
        actor: str | None = None,
    ) -> NewKey:
        """Gives the key a new secret; the former one verifies until its grace is over."""

    def end_grace(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Ends the former secret now."""

    def revoke(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Revokes the key with all its secrets, for ever. A second call changes nothing."""

    def disable(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Switches the key off until ``enable``."""

    def enable(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Switches a disabled key on again."""

    def purge(self, id: str | int, *, reason: str | None = None, actor: str | None = None) -> Key:
        """Wipes the personal data of a key that was revoked over 30 days ago."""

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
    ) -> Page[AuditEntry]:
        """Lists entries, newest first."""

    def verify(self) -> AuditCheck:
        """Checks the whole chain."""

    def head(self) -> AuditHead:
        """The chain's end, to be kept elsewhere."""

    def prune(self, before: datetime) -> int:
        """Removes the entries before a time and leaves a checkpoint; answers how many were removed."""

@disjoint_base
class Key:
    """A key as every surface shows it. Nothing in it is secret."""

    @property
    def id(self) -> str | int: ...
    @property
    def name(self) -> str: ...
    @property
    def org(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def status(self) -> _Status: ...
    @property
    def scopes(self) -> list[str]: ...
    @property
    def level(self) -> _Level | None: ...
    @property
    def tier(self) -> str | None: ...
    @property
    def limits(self) -> list[Limit]: ...
    @property
    def networks(self) -> list[str] | None: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def created_by(self) -> str | None: ...
    @property
    def updated_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def disabled_at(self) -> datetime | None: ...
    @property
    def revoked_at(self) -> datetime | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def last_used_at(self) -> datetime | None: ...
    @property
    def usage_count(self) -> int: ...
    @property
    def denied_count(self) -> int: ...
    @property
    def secrets(self) -> list[Secret]: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Key: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Key: ...

@final
class NewKey(Key):
    """A key just made or rotated, with the only copy of its text."""

    @property
    def api_key(self) -> str:
        """The text itself. Everything that shows the record as a whole hides it."""

    def reveal(self) -> dict[str, Any]:
        """As ``to_dict``, with the text in it, for the one response that shows it."""

    def __copy__(self) -> NewKey: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> NewKey: ...

@final
class Secret:
    """What is public about one secret of a key."""

    @property
    def prefix(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def grace_ends_at(self) -> datetime | None: ...
    @property
    def last_used_at(self) -> datetime | None: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Secret: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Secret: ...

@final
class Limit:
    """A rate limit of a key."""

    @property
    def name(self) -> str: ...
    @property
    def rate(self) -> int: ...
    @property
    def burst(self) -> int: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Limit: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Limit: ...

@final
class OrgRecord:
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
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> OrgRecord: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> OrgRecord: ...

@final
class AuditEntry:
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
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> AuditEntry: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> AuditEntry: ...

@final
class AuditHead:
    """The end of the audit chain."""

    @property
    def seq(self) -> int: ...
    @property
    def hash(self) -> str: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> AuditHead: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> AuditHead: ...

@final
class AuditCheck:
    """What a check of the audit chain found."""

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
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> AuditCheck: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> AuditCheck: ...

@final
class Parsed:
    """What the text of a key says about itself."""

    @property
    def environment(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def lookup(self) -> str: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Parsed: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Parsed: ...

@final
class Decision:
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
    def limits(self) -> list[Limit]: ...
    @property
    def retry_after_seconds(self) -> int | None: ...
    @property
    def deprecated(self) -> bool:
        """Whether the former secret was used, which ends at ``grace_ends_at``."""

    @property
    def grace_ends_at(self) -> datetime | None: ...
    @property
    def agent(self) -> str | None: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __bool__(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Decision: ...
    def __deepcopy__(self, memo: dict[int, Any], /) -> Decision: ...

@final
class Page(Generic[_T]):
    """One page of a list. Iterating it walks this page and all that follow."""

    @property
    def data(self) -> list[_T]: ...
    @property
    def has_more(self) -> bool: ...
    @property
    def next_cursor(self) -> str | None: ...
    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; times as RFC 3339 text."""

    def __iter__(self) -> Iterator[_T]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
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
    def texts(self) -> Texts: ...
    @staticmethod
    def read_org(id: object) -> str: ...

@final
class Texts:
    """What is known of key texts alone, without a database."""

    def parse(self, text: str) -> Parsed | None: ...
    def key_pattern(self) -> str: ...
    def redact(self, text: str) -> str: ...

@final
class Later:
    """A verification that waits for a thread of the core."""

    def wait(self) -> Any: ...

def hash_case(op: str, input: Mapping[str, Any]) -> dict[str, Any]:
    """Computes one case of the hash vectors."""

def plant(kw: Keywright, row: Mapping[str, Any]) -> None:
    """Puts a stored row into the database as an earlier release left it."""

def _thaw(kind: str, text: str) -> Any: ...
