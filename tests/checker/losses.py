"""Programs change and verify keys in PostgreSQL while they and the server are killed, again and again, and answers are lost.

    losses.py [--kills N]

Afterwards every acknowledged change is there, each key was used as often as its verifications were counted, neither less nor
twice, and the audit chain is whole. Each program writes down a step before it begins and again when it is acknowledged; a step
that was only begun may have been made or not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from keywright import Keywright, Unavailable

sys.path.append(str(Path(__file__).parents[1] / "servers"))

from client import Servers

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
PATIENCE = 300
PROGRAMS = 3
THREADS = 2
PEPPER = "KEYWRIGHT_PEPPER"


def acknowledged(act: Callable[[], T]) -> T:
    """Repeats a change until it is acknowledged."""
    while True:
        try:
            return act()
        except Unavailable:
            time.sleep(0.02)


class Worker:
    """A thread of a program. It works on keys of its own, one after the other."""

    def __init__(self, kw: Keywright, file: Path, stopped: threading.Event) -> None:
        self.kw, self.stopped = kw, stopped
        self.file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, *words: object) -> None:
        os.write(self.file, (" ".join(map(str, words)) + "\n").encode())

    def run(self) -> None:
        while not self.stopped.is_set():
            new = acknowledged(lambda: self.kw.keys.create(name="CI"))
            self.note(new.id, "created", new.api_key)
            text = str(new.api_key)
            for _ in range(random.randint(1, 4)):
                if random.random() < 0.6:
                    self.use(new.id, text)
                else:
                    text = self.rotate(new.id)
            if random.random() < 0.7:
                self.note(new.id, "revokes")
                acknowledged(partial(self.kw.keys.revoke, new.id))
                self.note(new.id, "revoked")

    def use(self, id: Any, text: str) -> None:
        times = random.randint(1, 20)
        self.note(id, "uses", times)
        allowed = sum(bool(self.kw.verify(text)) for _ in range(times))
        self.note(id, "used", allowed)
        acknowledged(self.kw.flush)
        self.note(id, "counted", allowed)

    def rotate(self, id: Any) -> str:
        self.note(id, "rotates")
        new = acknowledged(lambda: self.kw.keys.rotate(id, grace="0s"))
        self.note(id, "rotated", new.api_key)
        return str(new.api_key)


def work(url: str, files: list[str]) -> None:
    """The program that is killed. It ends when its input does."""
    # Each outage is reported, and there are many.
    logging.disable()
    stopped = threading.Event()
    with acknowledged(lambda: Keywright(url, brand="check", pepper=os.environ[PEPPER], busy_timeout="2s")) as kw:
        threads = [threading.Thread(target=Worker(kw, Path(it), stopped).run) for it in files]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        stopped.set()
        for thread in threads:
            thread.join()


class Victim:
    """One of the programs, which starts anew after each death."""

    def __init__(self, url: str, folder: Path, pepper: str) -> None:
        self.url, self.folder, self.pepper = url, folder, pepper
        self.start()

    def start(self) -> None:
        self.files = [self.folder / secrets.token_hex(8) for _ in range(THREADS)]
        command = [sys.executable, __file__, "--work", self.url, *map(str, self.files)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, PEPPER: self.pepper})

    def wait(self) -> None:
        """Waits until it has worked for a while."""
        ends = time.monotonic() + PATIENCE
        while not any(it.exists() and it.stat().st_size for it in self.files):
            if time.monotonic() > ends or self.process.poll() is not None:
                raise SystemExit("a program does not work")
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.2))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        if self.process.wait(PATIENCE) != 0:
            raise SystemExit("a program failed")


@dataclass
class History:
    """The steps of a key that were written down."""

    texts: list[str] = field(default_factory=list)
    began: str = ""
    revoked: bool = False
    least: int = 0
    most: int = 0
    using: int = 0

    def take(self, step: str, value: str) -> None:
        self.began = step if step in ("revokes", "rotates") else ""
        match step:
            case "created" | "rotated":
                self.texts.append(value)
            case "revoked":
                self.revoked = True
            case "uses":
                self.using = int(value)
                self.most += self.using
            case "used":
                self.most += int(value) - self.using
            case "counted":
                self.least += int(value)

    def problem(self, kw: Keywright, id: str) -> str | None:
        """Says where the database differs from the steps; `None` if it has all of them, once."""
        used = kw.keys.get(id).usage_count
        if not self.least <= used <= self.most:
            return f"was used {self.least} to {self.most} times, and {used} are counted"
        *former, last = self.texts
        for text in former:
            if kw.verify(text).code != "revoked":
                return "has a secret that a rotation ended"
        found = kw.verify(last)
        may_be = {"revoked"} if self.revoked else {None, "revoked"} if self.began else {None}
        return None if found.code in may_be else f"is {found.code}, and may be {may_be}"


def histories(folder: Path) -> dict[str, History]:
    found: dict[str, History] = {}
    for file in folder.iterdir():
        # The last line of a program that was killed may be incomplete.
        for line in file.read_text().split("\n")[:-1]:
            id, step, *value = line.split(" ")
            found.setdefault(id, History()).take(step, *value or [""])
    return found


def check(url: str, pepper: str, folder: Path) -> bool:
    known = histories(folder)
    with Keywright(url, brand="check", pepper=pepper) as kw:
        problems = [f"{id} {problem}" for id, it in known.items() if (problem := it.problem(kw, id))]
        audit = kw.audit.verify()
    exact = sum(it.least == it.most for it in known.values())
    counted, most = sum(it.least for it in known.values()), sum(it.most for it in known.values())
    revoked, rotated = sum(it.revoked for it in known.values()), sum(len(it.texts) - 1 for it in known.values())
    print(f"{len(known)} keys, {revoked} revoked, {rotated} rotations;")
    print(f"{counted} to {most} verifications, of {exact} keys the exact number;")
    print(f"{audit.checked} audit entries, {audit.problem or 'whole'}.")
    for problem in problems[:20]:
        print(f"  {problem}")
    is_gapless = audit.first_seq == 1 and audit.last_seq == audit.checked
    return audit.ok and is_gapless and not problems and exact > 0


def disturb(servers: Servers, victims: list[Victim], proxy: str, server: str, number: int) -> str:
    """Kills the server, loses answers, or kills a program."""
    match number % 8:
        case 3:
            servers("stop", server, how="kill")
            servers("start", server)
            return "server killed"
        case 1 | 5:
            # The server does the work that it has begun, and the programs get no answer.
            servers("traffic", proxy, mode="hold", direction="to_client")
            time.sleep(random.uniform(0, 0.1))
            servers("cut", proxy)
            servers("traffic", proxy)
            return "answers lost"
        case _:
            victim = random.choice(victims)
            victim.wait()
            victim.kill()
            victim.start()
            return "program killed"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", nargs="+")
    parser.add_argument("--kills", type=int, default=16)
    given = parser.parse_args()
    if given.work:
        work(given.work[0], given.work[1:])
        return 0
    with Servers() as servers, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server = servers("postgres")
        proxy = servers("proxy", to=server["name"])
        url, pepper = f"{proxy['url']}?sslmode=disable&statement_timeout=2000", secrets.token_hex(32)
        # Nothing is killed at the beginning and at the end, but the machine may be busy.
        patient = f"{server['tcp_url']}?connect_timeout={PATIENCE}&statement_timeout={PATIENCE}s"
        with Keywright(patient, brand="check", pepper=pepper):
            victims = [Victim(url, Path(folder), pepper) for _ in range(PROGRAMS)]
        for victim in victims:
            stack.callback(victim.kill)
        done: dict[str, int] = {}
        for number in range(given.kills):
            for victim in victims:
                victim.wait()
            what = disturb(servers, victims, proxy["name"], server["name"], number)
            done[what] = done.get(what, 0) + 1
        for victim in victims:
            victim.stop()
        print(json.dumps(done))
        return 0 if check(patient, pepper, Path(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
