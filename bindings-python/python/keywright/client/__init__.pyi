from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, TypeAlias, type_check_only

import httpx
from typing_extensions import Self

from keywright._native import AgentUsage, AuditEntry, Decision, Key, NewKey, OrgRecord, Page, QuotaState
from keywright.client.pages import RemoteListing

__all__ = ["AsyncClient", "Client"]

_Texts: TypeAlias = Sequence[str] | AbstractSet[str]
_Status: TypeAlias = Literal["active", "disabled", "expired", "revoked"]
_Level: TypeAlias = Literal["read", "read_write", "full"]
_Rule: TypeAlias = int | Mapping[str, int | str | None]
_Quotas: TypeAlias = Mapping[str, Mapping[str, int | str | None]] | Sequence[Mapping[str, int | str | None]]
_Rules: TypeAlias = Mapping[str, _Rule] | Sequence[Mapping[str, int | str | None]]
_Span: TypeAlias = str | timedelta
_Agents: TypeAlias = list[AgentUsage]
_Entries: TypeAlias = list[AuditEntry]

class Client:
    """A server of keys: the calls of an engine, over HTTP.

    A request that got no answer is sent again if that is safe: a read, a change with an idempotency key, which the client makes,
    or a request that the server has not run. Text of keys is in no error and no log.
    """

    keys: Keys
    orgs: Orgs
    audit: Audit

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str = ...,
        timeout: _Span = "10s",
        retries: int = 2,
        max_staleness: _Span | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """Checks the options; the first call connects.

        url: the address of the server, or ``unix:`` and the path of its socket; ``KEYWRIGHT_SERVER_URL``, or else
            ``http://127.0.0.1:8787``, when left out.
        api_key: a key with ``keys:manage`` or ``keys:verify``, or a session token. A Unix socket needs none to verify. ``None``
            raises, so that a missing setting does not go unnoticed.
        timeout: how long one attempt may take, to the end of its answer; above 0.
        retries: how often a request is sent again, 0 to 10. Pauses are random, and follow ``Retry-After`` up to 30 seconds.
        max_staleness: how long ``verify`` may repeat a decision that allowed a key, from the moment at which it was asked for. A
            revocation is noticed after this time. Decisions that count against a limit are never repeated, and
            ``usage_count`` counts only requests to the server. ``None`` asks for each verification.
        http: a client of httpx with settings of its own, such as certificates. It stays open after ``close``.
        """

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
        """Verifies the text of a key; see ``Keywright.verify``. When the server cannot be asked, the code is ``unavailable``.

        Raises ``Forbidden`` if the server refuses the client's own key.
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
        """Verifies like ``verify`` and returns the key, or raises ``Denied``."""

    def org(self, id: str) -> Verifier:
        """Returns a handle that verifies only the keys of this org."""

    def close(self) -> None:
        """Closes the connections."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def __reduce__(self) -> NoReturn: ...

class Verifier:
    """One org of a server."""

    def __init__(self, caller: Any, cache: Any, org: str | None = None) -> None: ...
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
        """Verifies the text of a key; see ``Client.verify``."""

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
        """Verifies like ``verify`` and returns the key, or raises ``Denied``."""

class Keys:
    """The keys of the caller's org. The arguments are those of the engine; the caller is the actor."""

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
    ) -> NewKey:
        """Creates a key. ``api_key`` of the result is the only copy of its text.

        Raises ``Conflict`` with the id of the key if the server made it, and its text was lost with the connection.
        """

    def list(
        self,
        *,
        limit: int = ...,
        cursor: str | None = None,
        status: _Status | Literal["all"] | None = None,
        environment: str | None = None,
        name: str | None = None,
        idle_days: int | None = None,
    ) -> Page[Key]:
        """Lists keys, newest first."""

    def get(self, id: str | int) -> Key:
        """Returns the key with this id."""

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
    ) -> Key:
        """Changes the given fields; ``None`` clears one."""

    def rotate(
        self, id: str | int, *, grace: str | int | timedelta = ..., reason: str | None = None, replace_current: bool = False
    ) -> NewKey:
        """Gives the key a new secret. The former one verifies until its grace ends."""

    def end_grace(self, id: str | int, *, reason: str | None = None) -> Key:
        """Ends the former secret now."""

    def revoke(self, id: str | int, *, reason: str | None = None) -> Key:
        """Revokes the key with all its secrets, for ever."""

    def disable(self, id: str | int, *, reason: str | None = None) -> Key:
        """Switches the key off until ``enable``."""

    def enable(self, id: str | int, *, reason: str | None = None) -> Key:
        """Switches a disabled key on again."""

    def agents(self, id: str | int) -> _Agents:
        """Returns the counters of the agents that have used the key."""

    def attest(
        self,
        id: str | int,
        agent: str | None = None,
        claims: Mapping[str, Any] | None = None,
        *,
        attestations: Sequence[Mapping[str, Any]] | None = None,
    ) -> _Entries:
        """Records what agents claim to do with the key."""

    def credit(self, id: str | int, amount: int, *, quota: str | None = None, reason: str | None = None) -> QuotaState:
        """Raises a balance that the key draws on, and returns its state."""

class Orgs:
    """The orgs, for a session that may manage all of them."""

    def get(self, id: str) -> OrgRecord: ...
    def list(self, *, limit: int = ..., cursor: str | None = None) -> Page[OrgRecord]: ...
    def update(self, id: str, *, networks: _Texts | None = ...) -> OrgRecord: ...
    def disable(self, id: str, *, reason: str | None = None) -> OrgRecord: ...
    def enable(self, id: str, *, reason: str | None = None) -> OrgRecord: ...
    def revoke_keys(self, id: str, *, reason: str | None = None) -> int: ...

class Audit:
    """The audit of the caller's org."""

    def list(
        self,
        *,
        limit: int = ...,
        cursor: str | None = None,
        key_id: str | int | None = None,
        action: str | None = None,
        agent: str | None = None,
    ) -> Page[AuditEntry]:
        """Lists entries, newest first."""

class AsyncClient:
    """``Client`` for asyncio and trio: the same methods, awaited."""

    keys: AsyncKeys
    orgs: AsyncOrgs
    audit: AsyncAudit

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str = ...,
        timeout: _Span = "10s",
        retries: int = 2,
        max_staleness: _Span | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Checks the options, which are those of ``Client``; the first call connects."""

    async def verify(
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
        """Verifies the text of a key; see ``Keywright.verify``. When the server cannot be asked, the code is ``unavailable``.

        Raises ``Forbidden`` if the server refuses the client's own key.
        """

    async def authenticate(
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
        """Verifies like ``verify`` and returns the key, or raises ``Denied``."""

    def org(self, id: str) -> AsyncVerifier:
        """Returns a handle that verifies only the keys of this org."""

    async def close(self) -> None:
        """Closes the connections."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...
    def __reduce__(self) -> NoReturn: ...

@type_check_only
class AsyncVerifier:
    """One org of a server."""

    async def verify(
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
        """Verifies the text of a key; see ``Client.verify``."""

    async def authenticate(
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
        """Verifies like ``verify`` and returns the key, or raises ``Denied``."""

@type_check_only
class AsyncKeys:
    """The keys of the caller's org. The arguments are those of the engine; the caller is the actor."""

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
    ) -> NewKey:
        """Creates a key. ``api_key`` of the result is the only copy of its text.

        Raises ``Conflict`` with the id of the key if the server made it, and its text was lost with the connection.
        """

    def list(
        self,
        *,
        limit: int = ...,
        cursor: str | None = None,
        status: _Status | Literal["all"] | None = None,
        environment: str | None = None,
        name: str | None = None,
        idle_days: int | None = None,
    ) -> RemoteListing[Key]:
        """Lists keys, newest first."""

    async def get(self, id: str | int) -> Key:
        """Returns the key with this id."""

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
    ) -> Key:
        """Changes the given fields; ``None`` clears one."""

    async def rotate(
        self, id: str | int, *, grace: str | int | timedelta = ..., reason: str | None = None, replace_current: bool = False
    ) -> NewKey:
        """Gives the key a new secret. The former one verifies until its grace ends."""

    async def end_grace(self, id: str | int, *, reason: str | None = None) -> Key:
        """Ends the former secret now."""

    async def revoke(self, id: str | int, *, reason: str | None = None) -> Key:
        """Revokes the key with all its secrets, for ever."""

    async def disable(self, id: str | int, *, reason: str | None = None) -> Key:
        """Switches the key off until ``enable``."""

    async def enable(self, id: str | int, *, reason: str | None = None) -> Key:
        """Switches a disabled key on again."""

    async def agents(self, id: str | int) -> _Agents:
        """Returns the counters of the agents that have used the key."""

    async def attest(
        self,
        id: str | int,
        agent: str | None = None,
        claims: Mapping[str, Any] | None = None,
        *,
        attestations: Sequence[Mapping[str, Any]] | None = None,
    ) -> _Entries:
        """Records what agents claim to do with the key."""

    async def credit(self, id: str | int, amount: int, *, quota: str | None = None, reason: str | None = None) -> QuotaState:
        """Raises a balance that the key draws on, and returns its state."""

@type_check_only
class AsyncOrgs:
    """The orgs, for a session that may manage all of them."""

    async def get(self, id: str) -> OrgRecord: ...
    def list(self, *, limit: int = ..., cursor: str | None = None) -> RemoteListing[OrgRecord]: ...
    async def update(self, id: str, *, networks: _Texts | None = ...) -> OrgRecord: ...
    async def disable(self, id: str, *, reason: str | None = None) -> OrgRecord: ...
    async def enable(self, id: str, *, reason: str | None = None) -> OrgRecord: ...
    async def revoke_keys(self, id: str, *, reason: str | None = None) -> int: ...

@type_check_only
class AsyncAudit:
    """The audit of the caller's org."""

    def list(
        self,
        *,
        limit: int = ...,
        cursor: str | None = None,
        key_id: str | int | None = None,
        action: str | None = None,
        agent: str | None = None,
    ) -> RemoteListing[AuditEntry]:
        """Lists entries, newest first."""
