"""A schema on a server of the tests, and engines on it."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from keywright import Keywright, KeywrightError
from postgres import OWNER, PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from client import Servers

PEPPER = "pepper for tests, thirty-two bytes or more"
# The fix for a pooler in transaction mode.
NEEDED = "write prepared_statements=no&listen=no in the URL, as a pooler in transaction mode needs"
# On a busy machine a login may take seconds.
PATIENT = {"connect_timeout": "5min", "statement_timeout": "5min"}


class Database:
    """A schema, which an engine creates."""

    def __init__(self, servers: Servers, server: str, url: str, schema: str) -> None:
        self.servers, self.server, self.schema = servers, server, schema
        self._url = url
        self.name = url.rpartition("/")[2]

    def url(self, *, port: int | None = None, role: str = OWNER, password: str = PASSWORD, **parameters: str) -> str:
        """The URL of the schema: over TCP, through another port, or for another role."""
        _, _, place = self._url.rpartition("@")
        host, _, name = place.partition("/")
        host = f"127.0.0.1:{port}" if port else host
        given = "".join(f"&{name}={value}" for name, value in (PATIENT | parameters).items())
        return f"postgresql://{role}:{quote(password, safe='')}@{host}/{name}?schema={self.schema}{given}"

    def on(self, server: dict[str, Any]) -> Database:
        """The same schema on another server."""
        return Database(self.servers, server["name"], server["tcp_url"], self.schema)

    def named(self, name: str) -> Database:
        """The same schema in another database of the server."""
        return Database(self.servers, self.server, self._url.removesuffix(self.name) + name, self.schema)

    def beside(self) -> Database:
        """Another schema of the same database."""
        return Database(self.servers, self.server, self._url, f"{self.schema}_other")

    def open(self, url: str | None = None, **options: Any) -> Keywright:
        return Keywright(url or self.url(), **{"brand": "liq", "pepper": PEPPER, "busy_timeout": "5m", **options})

    def key(self) -> str:
        """The text of a key that another engine has made."""
        with self.open() as other:
            return other.keys.create(name="of another engine").api_key

    def alter(self, setting: str) -> None:
        """Changes a setting of the server, which its sessions take in a moment."""
        for statement in (f"alter system {setting}", "select pg_reload_conf()"):
            self.servers("sql", self.server, statement=statement)

    def sql(self, statement: str, role: str | None = None) -> str:
        """Runs statements in the schema, as the owner or as another role."""
        as_role = f"set role {role}; " if role else ""
        whole = f"{as_role}set search_path to {self.schema}; {statement}"
        return str(self.servers("sql", self.server, statement=whole, database=self.name))

    def refused(self, statement: str, role: str | None = None) -> str:
        """Runs statements that the server refuses, and returns what it says."""
        with pytest.raises(RuntimeError) as caught:
            self.sql(statement, role)
        return str(caught.value)

    @contextmanager
    def session(self) -> Iterator[subprocess.Popen[str]]:
        """A `psql` that reads commands, for transactions that stay open."""
        program = self.servers("programs", self.server if self.server.isdigit() else self.servers("versions")[-1]) + "/psql"
        command = [program, self._url, "--no-psqlrc", "--quiet", "--no-align", "--tuples-only"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
            try:
                yield running
            finally:
                running.kill()

    @contextmanager
    def locked(self, statement: str) -> Iterator[None]:
        """Holds what a statement has locked."""
        with self.session() as running:
            assert running.stdin is not None and running.stdout is not None
            running.stdin.write(f"begin; set local search_path to {self.schema}; {statement};\nselect 'locked';\n")
            running.stdin.flush()
            while running.stdout.readline().strip() != "locked":
                assert running.poll() is None, "psql ended"
            yield


def trouble(said: str, *parts: str) -> None:
    """Checks that an error says all of it, and tells no password."""
    for part in parts:
        assert part in said, said
    for secret in (PASSWORD, quote(PASSWORD, safe=""), PEPPER):
        assert secret not in said


def refusal(database: Database, url: str, **options: Any) -> KeywrightError:
    """The error of an engine that cannot be opened."""
    with pytest.raises(KeywrightError) as caught:
        database.open(url, **options).close()
    return caught.value


def told(act: Callable[[], Any]) -> str:
    """The error of a call, or nothing."""
    try:
        act()
    except KeywrightError as error:
        return str(error)
    return ""


def succeeds(act: Callable[[], Any]) -> bool:
    """Whether a call works again: a while after trouble it fails without asking the server."""
    try:
        act()
    except KeywrightError:
        return False
    return True
