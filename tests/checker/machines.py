"""Programs in Rust, Python and Node verify and change keys in one PostgreSQL database, each through a proxy of its own, while
the network, the processes and the server fail.

    machines.py rust=COMMAND python=COMMAND node=COMMAND [--all] [--verifications N]

No verification may be allowed that starts later than `max_staleness` after an acknowledged revocation, nor any in a process
that has found the key revoked; none may be `invalid`; and after each fault every process verifies and changes keys again without
a restart. Before that, engines with a longer `max_staleness` than the judge expects are cut off, on purpose: the check that does
not find it proves nothing.
"""

import argparse
import random
import secrets
import shlex
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from judge import Report, Rules, itself

from programs import LANGUAGES, PATIENCE, Notes, Program, table

sys.path.append(str(Path(__file__).parents[1] / "servers"))

from client import Servers
from keywright import Keywright, Unavailable

T = TypeVar("T")
SECOND = 1_000_000_000
# Queries that hang are given up before the network heals, and so are changes.
LIMITS = "?sslmode=disable&connect_timeout=10&statement_timeout=2000"
# Of the first engine and of the last one: there is no fault then, but the machine may be busy.
PATIENT = f"?sslmode=disable&connect_timeout={PATIENCE}&statement_timeout={PATIENCE}s"
BUSY = "2s"
# A look for new texts lasts 2 ms. The pause leaves time for the server and the proxies.
PAUSE = 4_000_000
# Without a rotation with grace: one that is made twice ends the secret of the first.
PLANS = [0, 1, 2, 4]
SAMPLE = 0.05
# The keys that are revoked during each fault, besides those of the programs.
REVOKED = 8


class Key(NamedTuple):
    id: Any
    """The name of its text."""
    text: str


def acknowledged(act: Callable[[], T]) -> T:
    """Repeats a change until it is acknowledged."""
    while True:
        try:
            return act()
        except Unavailable:
            time.sleep(0.05)


class Machine:
    """A process, and the proxies through which it reaches the servers. Its program may be killed and started again."""

    def __init__(self, language: str, number: int, proxies: list[dict[str, Any]]) -> None:
        self.language, self.name = language, f"{language}-{number}"
        self.proxies, self.ports = [it["name"] for it in proxies], [it["port"] for it in proxies]
        self.programs: list[Program] = []

    @property
    def program(self) -> Program:
        return self.programs[-1]

    def changing(self) -> bool:
        """Whether the program waits for the acknowledgement of a change."""
        self.program.ask()
        return bool(self.program.counts["changing"])

    def progress(self) -> tuple[int, int]:
        self.program.ask()
        return self.program.counts["answered"], self.program.counts["changed"]


class Cluster:
    """A primary, its standby, and six processes."""

    def __init__(self, servers: Servers, commands: dict[str, str], folder: Path, staleness: int) -> None:
        self.servers, self.commands, self.staleness = servers, commands, staleness
        self.notes, self.pepper, self.base = Notes(folder), secrets.token_hex(32), time.monotonic_ns()
        self.primary = servers("postgres")
        self.standby = servers("standby", of=self.primary["name"])
        ports = [it["port"] for it in (self.primary, self.standby)]
        self.patient_url = self._url(ports, PATIENT)
        # The tables are there before the first of the processes.
        Keywright(self.patient_url, brand="check", pepper=self.pepper).close()
        self.engine = acknowledged(lambda: Keywright(self._url(ports), brand="check", pepper=self.pepper))
        self.machines = [self._machine(language, number) for number in range(2) for language in LANGUAGES]
        self.settings = {"busy_timeout": BUSY, "max_staleness": f"{staleness}s"}
        self._turn = 0

    def _machine(self, language: str, number: int) -> Machine:
        return Machine(language, number, [self.servers("proxy", to=it["name"]) for it in (self.primary, self.standby)])

    def _url(self, ports: list[int], limits: str = LIMITS) -> str:
        url, _, rest = self.primary["tcp_url"].rpartition("@")
        return f"{url}@{','.join(f'127.0.0.1:{port}' for port in ports)}/{rest.split('/')[1]}{limits}"

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self.machines:
            for program in machine.programs:
                program.kill()
        for server in (self.primary, self.standby):
            self.servers("stop", server["name"], how="immediate")

    def start(self, machine: Machine) -> None:
        """Starts the program of a machine, under a new name each time."""
        order = {
            "url": self._url(machine.ports),
            "settings": self.settings,
            "folder": str(self.notes.folder),
            "name": f"{machine.name}r{len(machine.programs)}",
            "base": str(self.base),
            # One verifies every text, and may wait for the database. The others verify what is in memory.
            "verifiers": 3,
            "scouts": 1,
            "changers": 2,
            "plans": PLANS,
            # Some of the states of a key last longer than the bound.
            "hold": (150, 1_000 * self.staleness + 300),
            "pause": PAUSE,
            "rarely": 1_024,
            "stale": 0,
            "retries": True,
            # On one machine somebody may set the clock.
            "steps": machine is self.machines[0],
        }
        machine.programs.append(Program(machine.language, shlex.split(self.commands[machine.language]), order, self.pepper))

    def now(self) -> int:
        return time.monotonic_ns() - self.base

    def next(self) -> Machine:
        """Each of the machines in turn."""
        self._turn += 1
        return self.machines[self._turn % len(self.machines)]

    def ask(self, request: str, machines: list[Machine], **given: Any) -> None:
        """Sends a request to the proxies of some machines."""
        for proxy in (it for machine in machines for it in machine.proxies):
            self.servers(request, proxy, **given)

    # The changes that the conductor makes itself.

    def create(self) -> Key:
        began = self.now()
        new = acknowledged(lambda: self.engine.keys.create(name="CI"))
        key = Key(new.id, f"conductor.{secrets.token_hex(4)}")
        self.note(key, "create", began, "allowed")
        with (self.notes.folder / "announced").open("a") as announced:
            announced.write(f"{key.text} {new.api_key}\n")
        return key

    def change(self, key: Key, what: str, code: str, act: Callable[[Any], Any]) -> None:
        began = self.now()
        acknowledged(lambda: act(key.id))
        self.note(key, what, began, code)

    def revoke(self, keys: list[Key]) -> None:
        """Revokes keys one after the other, while there is a fault."""
        for key in keys:
            time.sleep(0.1)
            self.change(key, "revoke", "revoked", self.engine.keys.revoke)

    def note(self, key: Key, what: str, began: int, code: str) -> None:
        with (self.notes.folder / "conductor.events").open("a") as events:
            events.write(f"{key.text} {what} {began} {self.now()} {code}\n")

    def sql(self, server: dict[str, Any], statement: str) -> str:
        return str(self.servers("sql", server["name"], statement=statement))

    def until(self, what: str, come: Callable[[], bool]) -> None:
        ends = time.monotonic() + PATIENCE
        while not come():
            if time.monotonic() > ends:
                raise SystemExit(f"{what} did not come within {PATIENCE} s")
            time.sleep(SAMPLE)

    def recover(self) -> None:
        """Waits until every process verifies and changes keys again."""
        before = {machine.name: machine.progress() for machine in self.machines}

        def goes_on(machine: Machine) -> bool:
            return all(now > then for now, then in zip(machine.progress(), before[machine.name], strict=True))

        for machine in self.machines:
            self.until(f"the recovery of {machine.name}", partial(goes_on, machine))

    def verified(self) -> int:
        for machine in self.machines:
            machine.program.ask()
        return sum(program.counts["verified"] for program in self.all_programs())

    def all_programs(self) -> list[Program]:
        return [program for machine in self.machines for program in machine.programs]

    def end(self, staleness: int) -> dict[str, Report]:
        """Stops all programs, and judges their verdicts by language."""
        self.verified()
        for machine in self.machines:
            machine.program.stop()
        self.engine.close()
        reports, history = self.notes.judged(Rules(staleness=staleness * SECOND, on_one_file=False))
        self.notes.agree(self.patient_url, self.pepper, history)
        return reports


# The faults. Each lasts longer than memory may answer, and is over when its function returns.

Fault = Callable[[Cluster], None]


def nothing(cluster: Cluster) -> None:
    """No fault."""
    time.sleep(cluster.staleness + 1)


def one_is_cut_off(cluster: Cluster) -> None:
    """The network of one process stands still, and heals."""
    one = [cluster.next()]
    cluster.ask("traffic", one, mode="hold")
    time.sleep(cluster.staleness + 1)
    cluster.ask("traffic", one)


def one_is_lost(cluster: Cluster) -> None:
    """The packets of one process are lost, and its connections with them."""
    one = [cluster.next()]
    cluster.ask("traffic", one, mode="swallow")
    time.sleep(cluster.staleness + 1)
    cluster.ask("cut", one)
    cluster.ask("traffic", one)


def all_are_cut_off(cluster: Cluster) -> None:
    """The network of all stands still, and heals."""
    cluster.ask("traffic", cluster.machines, mode="hold")
    time.sleep(cluster.staleness + 1)
    cluster.ask("traffic", cluster.machines)


def notifications_are_lost(cluster: Cluster) -> None:
    """The notifications of all are lost, and nothing else."""
    cluster.ask("traffic", cluster.machines, mode="swallow", connections="listening", direction="to_client")
    time.sleep(cluster.staleness + 2)
    cluster.ask("cut", cluster.machines, connections="listening")
    cluster.ask("traffic", cluster.machines)


def queries_stall(cluster: Cluster) -> None:
    """One process gets notifications, and no answers."""
    one = [cluster.next()]
    cluster.ask("traffic", one, mode="hold", connections="other", direction="to_client")
    time.sleep(cluster.staleness + 1)
    cluster.ask("traffic", one)


def server_is_deaf(cluster: Cluster) -> None:
    """The connections of one process are half open: the server has closed them, and the process does not know."""
    cluster.ask("half_open", [cluster.next()])
    time.sleep(cluster.staleness)


def connections_break(cluster: Cluster) -> None:
    """All connections break, again and again."""
    for _ in range(5):
        cluster.ask("cut", cluster.machines)
        time.sleep(0.3)


def sessions_are_terminated(cluster: Cluster) -> None:
    """An administrator ends all sessions, again and again."""
    ends = "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    for _ in range(5):
        cluster.sql(cluster.primary, ends)
        time.sleep(0.3)


def network_is_slow(cluster: Cluster) -> None:
    """All bytes come late."""
    cluster.ask("traffic", cluster.machines, delay=0.15)
    time.sleep(cluster.staleness + 1)
    cluster.ask("traffic", cluster.machines)


def process_stands_still(cluster: Cluster, seconds: float = 0) -> None:
    """A process is stopped, and continues."""
    program = cluster.next().program
    program.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds or cluster.staleness + 2)
    program.process.send_signal(signal.SIGCONT)


def process_stands_still_for_long(cluster: Cluster) -> None:
    """A process is stopped for ten seconds, and continues."""
    process_stands_still(cluster, 10)


def clock_is_set(cluster: Cluster) -> None:
    """The clock of one process steps back and forth by up to an hour."""
    steps = cluster.notes.folder / "steps"
    steps.touch()
    time.sleep(cluster.staleness + 1)
    steps.unlink()


def processes_are_killed(cluster: Cluster) -> None:
    """A process of each language is killed in the middle of what it does, and starts again."""
    for language in LANGUAGES:
        machine = random.choice([it for it in cluster.machines if it.language == language])
        machine.program.ask()
        machine.program.kill()
        cluster.start(machine)
        time.sleep(0.2)


def server_is_killed(cluster: Cluster) -> None:
    """The server is killed, and starts again at once."""
    cluster.servers("stop", cluster.primary["name"], how="kill")
    cluster.servers("start", cluster.primary["name"])


def server_restarts(cluster: Cluster) -> None:
    """The server is told to stop at once, and starts again."""
    cluster.servers("stop", cluster.primary["name"], how="immediate")
    cluster.servers("start", cluster.primary["name"])


def standby_takes_over(cluster: Cluster) -> None:
    """The primary is killed. Its standby, which lacks the last changes, takes over."""
    primary, standby, keys = cluster.primary, cluster.standby, cluster.engine.keys
    pause = cluster.notes.folder / "pause"
    pause.touch()
    cluster.until("the end of all changes", lambda: not any(it.changing() for it in cluster.machines))
    revoked, disabled, gone = (cluster.create() for _ in range(3))
    cluster.change(gone, "revoke", "revoked", keys.revoke)
    # All processes have them in memory by now.
    time.sleep(1)
    written = cluster.sql(primary, "select pg_current_wal_flush_lsn()")
    replayed = f"select pg_last_wal_replay_lsn() >= '{written}'"
    cluster.until("the last change on the standby", lambda: cluster.sql(standby, replayed) == "t")
    cluster.sql(standby, "alter system set primary_conninfo = ''")
    cluster.sql(standby, "select pg_reload_conf()")
    senders = "select count(*) from pg_stat_replication"
    cluster.until("the end of replication", lambda: cluster.sql(primary, senders) == "0")
    cluster.change(revoked, "revoke", "revoked", keys.revoke)
    cluster.change(disabled, "disable", "disabled", keys.disable)
    lost = cluster.create()
    time.sleep(cluster.staleness + 0.5)
    began = cluster.now()
    cluster.servers("stop", primary["name"], how="kill")
    cluster.servers("promote", standby["name"])
    cluster.primary = standby
    for key, code in ((revoked, "allowed"), (disabled, "allowed"), (lost, "invalid")):
        cluster.note(key, "failover", began, code)
    pause.unlink()
    cluster.recover()
    time.sleep(cluster.staleness)
    cluster.change(revoked, "revoke", "revoked", keys.revoke)
    time.sleep(cluster.staleness + 0.5)


FAULTS: list[Fault] = [
    nothing,
    one_is_cut_off,
    one_is_lost,
    notifications_are_lost,
    queries_stall,
    server_is_deaf,
    all_are_cut_off,
    connections_break,
    sessions_are_terminated,
    network_is_slow,
    process_stands_still_for_long,
    clock_is_set,
    processes_are_killed,
    server_is_killed,
    server_restarts,
    standby_takes_over,
]
SHORT: list[Fault] = [
    one_is_lost,
    notifications_are_lost,
    queries_stall,
    sessions_are_terminated,
    process_stands_still,
    clock_is_set,
    processes_are_killed,
    server_is_killed,
    standby_takes_over,
]


def finds(servers: Servers, commands: dict[str, str]) -> bool:
    """Whether the judge finds engines that answer from memory for longer than it expects."""
    began, wrong = time.monotonic(), dict.fromkeys(LANGUAGES, 0)
    # On a busy machine few verifications meet a revocation, so this is tried again.
    while not all(wrong.values()) and time.monotonic() - began < PATIENCE:
        with tempfile.TemporaryDirectory() as folder, Cluster(servers, commands, Path(folder), staleness=1) as cluster:
            cluster.settings["max_staleness"] = "6s"
            for machine in cluster.machines:
                cluster.start(machine)
            cluster.recover()
            time.sleep(1)
            some = cluster.machines[: len(LANGUAGES)]
            cluster.ask("traffic", some, mode="hold")
            time.sleep(4)
            cluster.ask("traffic", some)
            reports = cluster.end(staleness=1)
        wrong = {it: report.wrong for it, report in reports.items()}
    for language in LANGUAGES:
        print(f"  {language:<6} answers for 6 s: {wrong[language]} found, as {reports[language].errors[:1]}", flush=True)
    return all(wrong.values())


def holds(servers: Servers, commands: dict[str, str], faults: list[Fault], staleness: int, least: int) -> bool:
    with tempfile.TemporaryDirectory() as folder, Cluster(servers, commands, Path(folder), staleness) as cluster:
        began = time.monotonic()
        for machine in cluster.machines:
            cluster.start(machine)
        cluster.recover()
        *others, last = faults
        while True:
            for fault in others:
                endure(cluster, fault)
            if cluster.verified() >= least:
                break
        endure(cluster, last)
        reports = cluster.end(staleness)
        events = cluster.notes.events()
    took, programs = time.monotonic() - began, cluster.all_programs()
    table(reports, programs, events)
    latest = max(it.latest for it in reports.values()) / 1_000_000
    verified = sum(it.counts["verified"] for it in programs)
    print(f"{verified} verifications in {took:.0f} s by {len(programs)} processes; the last that was allowed after a revocation")
    print(f"started {latest:.0f} ms after its acknowledgement; the bound is {1_000 * staleness} ms.")
    return all(it.wrong == 0 and it.met_hot > 0 for it in reports.values())


def endure(cluster: Cluster, fault: Fault) -> None:
    # A change by the conductor in the middle of a failover would be lost.
    keys = [] if fault is standby_takes_over else [cluster.create() for _ in range(REVOKED)]
    # All processes have them in memory by then.
    time.sleep(0.5)
    began = time.monotonic()
    revoker = threading.Thread(target=cluster.revoke, args=[keys])
    revoker.start()
    fault(cluster)
    over = time.monotonic()
    revoker.join()
    cluster.recover()
    print(f"  {fault.__doc__} {over - began:.1f} s; all go on {time.monotonic() - over:.1f} s later.", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("commands", nargs=3)
    parser.add_argument("--all", action="store_true", help="every fault, and the default max_staleness")
    parser.add_argument("--verifications", type=int, default=1_000_000)
    given = parser.parse_args()
    commands = dict(it.split("=", 1) for it in given.commands)
    itself()
    with Servers() as servers:
        print("The check finds what it should find:")
        able = finds(servers, commands)
        print("Six processes on one database:", flush=True)
        faults, staleness = (FAULTS, 2) if given.all else (SHORT, 1)
        right = holds(servers, commands, faults, staleness, given.verifications if given.all else 0)
    return 0 if able and right else 1


if __name__ == "__main__":
    sys.exit(main())
