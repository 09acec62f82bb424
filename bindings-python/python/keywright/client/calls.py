"""The calls of the client, written once. ``_run`` sends the requests: it returns a result, or an awaitable of one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias
from urllib.parse import quote

from keywright._native import Decision
from keywright.client import wire
from keywright.client.cache import DecisionCache
from keywright.client.exchange import Lost, Reply, Request, exchange
from keywright.errors import Denied, InvalidRequest, KeywrightError

__all__ = ["Audit", "Call", "Caller", "Keys", "Orgs", "PageCall", "Verifier"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and what its answer becomes."""

    request: Request | None
    """``None`` if the answer is known."""
    read: Callable[[str], Any]
    """Reads the answer."""
    changes: bool = False
    """Whether it may change what a verification says."""
    failed: Callable[[KeywrightError], Any] | None = None
    """Turns an error into a result; the error is raised if this is ``None``."""

    def steps(self, retries: int, server: str) -> Generator[Request | float, Reply | Lost | None, Any]:
        """Yields what is to be done, as ``exchange`` does, and returns the result."""
        if self.request is None:
            return self.read("")
        outcome = yield from exchange(self.request, retries)
        try:
            text = wire.accepted(outcome, server)
        except KeywrightError as trouble:
            if self.failed is None:
                raise
            return self.failed(trouble)
        return self.read(text)


PageCall: TypeAlias = Callable[[str | None], Call]
"""The call for the page of a list at a cursor."""


class Caller:
    """Sends calls."""

    def _run(self, call: Call) -> Any:
        raise NotImplementedError

    def _list(self, page: PageCall) -> Any:
        raise NotImplementedError


class Group:
    """Calls that share a path."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller


class Twice(Enum):
    """The effect of a request that the server gets twice."""

    SAME = "the effect of once"
    WITH_KEY = "the same, under an idempotency key"
    """The server stores these keys for a day, and takes a limited number of one caller."""
    OTHER = "another effect"


def change(method: str, path: str, fields: Mapping[str, Any], read: Callable[[str], Any], twice: Twice = Twice.WITH_KEY) -> Call:
    """A request that changes something."""
    headers = {"content-type": "application/json"}
    if twice is Twice.WITH_KEY:
        headers["idempotency-key"] = uuid.uuid4().hex
    return Call(Request(method, path, {}, headers, wire.body(fields), twice is not Twice.OTHER), read, changes=True)


def get(path: str, fields: Mapping[str, Any], read: Callable[[str], Any]) -> Call:
    """A request that reads."""
    return Call(Request("GET", path, wire.query(fields), {}, None, True), read)


def of(kind: str) -> Callable[[str], Any]:
    """Reads a record."""
    return lambda text: wire.record(kind, text)


def many(kind: str) -> Callable[[str], Any]:
    """Reads the records of a list that has one page."""
    return lambda text: wire.records(kind, text)[0]


def pages(path: str, fields: Mapping[str, Any], kind: str) -> PageCall:
    """A list of records."""

    def read(text: str) -> Any:
        return wire.records(kind, text)

    return lambda cursor: get(path, dict(fields) if cursor is None else {**fields, "cursor": cursor}, read)


def place(*parts: Any) -> str:
    """A path of which some parts are ids."""
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, str | int):
            raise InvalidRequest("id: is neither text nor an integer; give the id of a record", "id")
    # `.` and `..` would leave the path.
    return "/" + "/".join(quote(str(part), safe="").replace(".", "%2E") for part in parts)


class Keys(Group):
    """The keys of the caller's org."""

    def create(self, **fields: Any) -> Any:
        """Creates a key; see ``Keywright.keys.create``."""
        return self._caller._run(change("POST", "/keys", fields, wire.issued))

    def list(self, **fields: Any) -> Any:
        """Lists records, newest first."""
        return self._caller._list(pages("/keys", fields, "Key"))

    def get(self, id: str | int) -> Any:
        """Returns the record with this id."""
        return self._caller._run(get(place("keys", id), {}, of("Key")))

    def update(self, id: str | int, **fields: Any) -> Any:
        """Changes the given fields; ``None`` clears one."""
        return self._caller._run(change("PATCH", place("keys", id), fields, of("Key"), Twice.OTHER))

    def rotate(self, id: str | int, **fields: Any) -> Any:
        """Gives the key a new secret. The former one verifies until its grace ends."""
        return self._caller._run(change("POST", place("keys", id, "rotate"), fields, wire.issued))

    def end_grace(self, id: str | int, **fields: Any) -> Any:
        """Ends the former secret now."""
        return self._caller._run(change("POST", place("keys", id, "end-grace"), fields, of("Key"), Twice.SAME))

    def revoke(self, id: str | int, **fields: Any) -> Any:
        """Revokes the key with all its secrets, for ever."""
        return self._caller._run(change("DELETE", place("keys", id), fields, of("Key"), Twice.SAME))

    def disable(self, id: str | int, **fields: Any) -> Any:
        """Switches it off until ``enable``."""
        return self._caller._run(change("POST", place("keys", id, "disable"), fields, of("Key"), Twice.SAME))

    def enable(self, id: str | int, **fields: Any) -> Any:
        """Switches it on again."""
        return self._caller._run(change("POST", place("keys", id, "enable"), fields, of("Key")))

    def agents(self, id: str | int) -> Any:
        """Returns the counters of the agents that have used the key."""
        return self._caller._run(get(place("keys", id, "agents"), {}, many("AgentUsage")))

    def attest(self, id: str | int, agent: str | None = None, claims: Mapping[str, Any] | None = None, **fields: Any) -> Any:
        """Records what agents claim to do with the key."""
        given = {"agent": agent, "claims": claims}
        named = {name: value for name, value in given.items() if value is not None}
        # Agents may claim much in a day.
        return self._caller._run(change("POST", place("keys", id, "attest"), named | fields, many("AuditEntry"), Twice.OTHER))

    def credit(self, id: str | int, amount: int, **fields: Any) -> Any:
        """Raises a balance that the key draws on, and returns its state."""
        return self._caller._run(change("POST", place("keys", id, "credit"), {"amount": amount} | fields, of("QuotaState")))


class Orgs(Group):
    """The orgs, for a session that may manage all of them."""

    def get(self, id: str) -> Any:
        """Returns the record with this id."""
        return self._caller._run(get(place("orgs", id), {}, of("OrgRecord")))

    def list(self, **fields: Any) -> Any:
        """Lists records, newest first."""
        return self._caller._list(pages("/orgs", fields, "OrgRecord"))

    def update(self, id: str, **fields: Any) -> Any:
        """Changes the given fields; ``None`` clears one."""
        return self._caller._run(change("PATCH", place("orgs", id), fields, of("OrgRecord"), Twice.OTHER))

    def disable(self, id: str, **fields: Any) -> Any:
        """Switches it off until ``enable``."""
        return self._caller._run(change("POST", place("orgs", id, "disable"), fields, of("OrgRecord"), Twice.SAME))

    def enable(self, id: str, **fields: Any) -> Any:
        """Switches it on again."""
        return self._caller._run(change("POST", place("orgs", id, "enable"), fields, of("OrgRecord")))

    def revoke_keys(self, id: str, **fields: Any) -> Any:
        """Revokes every key of the org. Returns their number."""
        return self._caller._run(change("POST", place("orgs", id, "revoke-keys"), fields, lambda text: wire.opened(text)["revoked"]))


class Audit(Group):
    """The audit of the caller's org."""

    def list(self, **fields: Any) -> Any:
        """Lists records, newest first."""
        return self._caller._list(pages("/audit", fields, "AuditEntry"))


class Verifier(Group):
    """Verification of keys of every org that the caller may verify, or of one."""

    def __init__(self, caller: Caller, cache: DecisionCache | None, org: str | None = None) -> None:
        super().__init__(caller)
        self._cache = cache
        self._org = org

    def verify(self, text: Any, **needs: Any) -> Any:
        """Verifies the text of a key; see ``Client.verify``."""
        return self._caller._run(self._call(text, needs, lambda decision: decision))

    def authenticate(self, text: Any, **needs: Any) -> Any:
        """Verifies like ``verify`` and returns the key, or raises ``Denied``."""
        return self._caller._run(self._call(text, needs, key_of))

    def _call(self, text: Any, needs: Mapping[str, Any], read: Callable[[Decision], Any]) -> Call:
        if text is not None and not isinstance(text, str | bytes | bytearray):
            raise InvalidRequest("text: is neither text nor bytes; give the text of a key, or None", "text")
        known = bytes(text).decode("utf-8", "replace") if isinstance(text, bytes | bytearray) else text
        if known is not None:
            # A server reads no lone surrogate, and no key has one.
            known = known.encode("utf-8", "replace").decode()
        fields = {name: wire.plain(name, value) for name, value in needs.items() if value is not None}
        if self._org is not None:
            fields["org"] = self._org
        name = self._cache.name(known, fields) if self._cache else None
        found = self._cache.get(name) if self._cache and name else None
        if found is not None:
            return Call(None, lambda _: read(found))
        moment = self._cache.moment() if self._cache else None

        def decided(text: str) -> Any:
            decision: Decision = wire.record("Decision", text)
            if self._cache and name and moment:
                self._cache.put(name, moment, decision)
            return read(decision)

        # A verification counts, so it is sent again only if the server has not run it.
        sent = Request("POST", "/verify", {}, {"content-type": "application/json"}, wire.body({**fields, "api_key": known}), False)
        return Call(sent, decided, failed=lambda trouble: read(wire.undecided(trouble)))


def key_of(decision: Decision) -> Any:
    """The key of a decision, or ``Denied``."""
    if not decision.allowed:
        raise Denied(decision.message, decision)
    return decision.key
