"""The Python side of the checker: verifies and changes keys in the database it is given, and writes down what it saw."""

import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keywright import Keywright, NewKey, Unavailable

SPAN = 100_000_000
LOOK = 2_000_000
INTEREST = 1_200_000_000
WRITE = 250_000_000

order = json.loads(sys.argv[1])
folder, name, base, stale = Path(order["folder"]), order["name"], int(order["base"]), order["stale"]
stopped = threading.Event()
verified = [0] * order["verifiers"]
answered = [0] * order["verifiers"]
# The names of the texts that somebody here has verified.
known: set[str] = set()
# Of each changer: how many changes were acknowledged, and whether it waits for one.
changed = [0] * order["changers"]
changing = [False] * order["changers"]


def now() -> int:
    return time.monotonic_ns() - base


class Lines:
    """A file of lines, which are complete even if the program is killed."""

    def __init__(self, thread: str, kind: str) -> None:
        self.file = os.open(folder / f"{thread}.{kind}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, *lines: str) -> None:
        if lines:
            os.write(self.file, "".join(f"{line}\n" for line in lines).encode())


class Text:
    def __init__(self, line: str) -> None:
        self.name, self.text = line.split(" ")
        self.run: list[Any] | None = None
        self.revoked_since: int | None = None
        self.kept = (-stale, "")

    def add(self, code: str, start: int, end: int, ended: list[str]) -> None:
        """Adds a verification to the run, or begins a new one."""
        run = self.run
        if run and run[0] == code and end - run[2] <= SPAN:
            run[1] += 1
            run[4:] = start, end
        else:
            self.end(ended)
            self.run = [code, 1, start, end, start, end]

    def end(self, ended: list[str]) -> None:
        if self.run:
            ended.append(f"{self.name} {' '.join(map(str, self.run))}")


def verify(kw: Keywright, number: int) -> None:
    texts: list[Text] = []
    current: list[Text] = []
    former: list[Text] = []
    ended: list[str] = []
    looked, wrote, unread = 0, 0, ""
    runs = Lines(f"{name}-{number}", "runs")
    with (folder / "announced").open() as announced:
        while not stopped.is_set():
            if now() - looked > LOOK:
                time.sleep(order["pause"] / 1e9)
                looked = now()
                if looked - wrote > WRITE:
                    runs.write(*ended)
                    ended, wrote = [], looked
                *lines, unread = (unread + announced.read()).split("\n")
                new = [Text(line) for line in lines]
                texts += new
                current += new
            of_former = not current or (former and random.randrange(order["rarely"]) == 0)
            choice = former if of_former else current
            if not choice:
                time.sleep(0)
                continue
            place = random.randrange(len(choice))
            text = choice[place]
            if number >= order["scouts"] and text.name not in known:
                continue
            start = now()
            if start - text.kept[0] < stale:
                code = text.kept[1]
            else:
                decision = kw.verify(text.text)
                code = "allowed" if decision.allowed else str(decision.code)
                text.kept = start, code
            text.add(code, start, now(), ended)
            verified[number] += 1
            if code != "unavailable":
                answered[number] += 1
                known.add(text.name)
            if code == "revoked" and not of_former:
                text.revoked_since = text.revoked_since or start
                if start - text.revoked_since > INTEREST:
                    current[place] = current[-1]
                    current.pop()
                    former.append(text)
    for text in texts:
        text.end(ended)
    runs.write(*ended)


class Changer:
    def __init__(self, kw: Keywright, number: int) -> None:
        self.kw, self.number, self.name = kw, number, f"{name}-{number}"
        self.count = 0
        self.events = Lines(self.name, "events")

    def run(self) -> None:
        with (folder / "announced").open("a", buffering=1) as self.announced:
            self.create("default")
            while not stopped.is_set():
                self.live(random.choice(order["plans"]))

    def live(self, plan: int) -> None:
        keys, orgs, org = self.kw.keys, self.kw.orgs, self.name
        id, text = self.create(org if plan == 4 else "default")
        texts = [text]
        match plan:
            case 1:
                for _ in range(random.randint(1, 3)):
                    self.change("disable", texts, "disabled", lambda: keys.disable(id))
                    self.change("enable", texts, "allowed", lambda: keys.enable(id))
                if random.random() < 0.5:
                    self.change("disable", texts, "disabled", lambda: keys.disable(id))
            case 2:
                new: NewKey = self.change("rotate", texts, "revoked", lambda: keys.rotate(id, grace="0s"))
                texts = [self.note_made("rotate", now(), new)]
            case 3:
                began = now()
                second = self.note_made("rotate", began, self.acknowledged(lambda: keys.rotate(id, grace="1h")))
                self.change("end_grace", texts, "revoked", lambda: keys.end_grace(id))
                texts = [second]
            case 4:
                texts.append(self.create(org)[1])
                self.change("org.disable", texts, "disabled", lambda: orgs.disable(org))
                self.change("org.enable", texts, "allowed", lambda: orgs.enable(org))
                self.change("org.revoke_keys", texts, "revoked", lambda: orgs.revoke_keys(org))
                return
        self.change("revoke", texts, "revoked", lambda: keys.revoke(id))

    def create(self, org: str) -> tuple[Any, str]:
        began = now()
        new = self.acknowledged(lambda: self.kw.org(org).keys.create(name="CI"))
        return new.id, self.note_made("create", began, new)

    def change(self, what: str, texts: list[str], code: str, act: Callable[[], Any]) -> Any:
        began = now()
        # If the program is killed during the change, nobody knows whether it was made.
        self.events.write(*[f"{text} {what} {began} - {code}" for text in texts])
        done = self.acknowledged(act)
        told = now()
        self.events.write(*[f"{text} {what} {began} {told} {code}" for text in texts])
        self.hold()
        return done

    def acknowledged(self, act: Callable[[], Any]) -> Any:
        """Makes a change. With `retries`, it does so until the change is acknowledged."""
        changing[self.number] = True
        while (folder / "pause").exists() and not stopped.is_set():
            changing[self.number] = False
            time.sleep(0.02)
            changing[self.number] = True
        try:
            while True:
                try:
                    return act()
                except Unavailable:
                    if not order["retries"]:
                        raise
                    time.sleep(0.05)
        finally:
            changed[self.number] += 1
            changing[self.number] = False

    def note_made(self, what: str, began: int, new: NewKey) -> str:
        told = now()
        text = f"{self.name}.{self.count}"
        self.count += 1
        self.events.write(f"{text} {what} {began} {told} allowed")
        self.announced.write(f"{text} {new.api_key}\n")
        self.hold()
        return text

    def hold(self) -> None:
        """Holds a state. The least part is held after a stop as well: another program may still verify."""
        least, most = order["hold"]
        time.sleep(least / 1000)
        stopped.wait(random.uniform(0, most - least) / 1000)


def opened(settings: dict[str, Any]) -> Keywright:
    while True:
        try:
            return Keywright(order["url"], **settings)
        except Unavailable:
            if not order["retries"]:
                raise


def main() -> None:
    # Each outage is reported, and there are many.
    logging.disable()
    settings = {"brand": "check", "pepper": os.environ["KEYWRIGHT_PEPPER"], **order["settings"]}
    with opened(settings) as kw:
        threads = [threading.Thread(target=verify, args=(kw, n)) for n in range(order["verifiers"])]
        threads += [threading.Thread(target=Changer(kw, n).run) for n in range(order["changers"])]
        for thread in threads:
            thread.start()
        for line in sys.stdin:
            counts = {"verified": sum(verified), "hot": None, "answered": sum(answered)}
            counts |= {"changed": sum(changed), "changing": sum(changing)}
            print(json.dumps({"asked": line.strip(), "now": now(), **counts}), flush=True)
        stopped.set()
        for thread in threads:
            thread.join()


main()
