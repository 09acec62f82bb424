"""The Python side of checker.sh: verifies and changes keys on the file it is given, and writes down what it saw."""

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keywright import Keywright, NewKey

SPAN = 100_000_000
LOOK = 2_000_000
INTEREST = 1_200_000_000

order = json.loads(sys.argv[1])
folder, name, base, stale = Path(order["folder"]), order["name"], int(order["base"]), order["stale"]
stopped = threading.Event()
verified = [0] * order["verifiers"]


def now() -> int:
    return time.monotonic_ns() - base


def write(thread: str, kind: str, lines: list[str]) -> None:
    (folder / f"{thread}.{kind}").write_text("\n".join(lines) + "\n")


class Text:
    def __init__(self, line: str) -> None:
        self.name, self.text = line.split(" ")
        self.runs: list[list[Any]] = []
        self.revoked_since: int | None = None
        self.kept = (-stale, "")

    def add(self, code: str, start: int, end: int) -> None:
        if self.runs:
            run = self.runs[-1]
            if run[0] == code and end - run[2] <= SPAN:
                run[1] += 1
                run[4:] = start, end
                return
        self.runs.append([code, 1, start, end, start, end])


def verify(kw: Keywright, number: int) -> None:
    texts: list[Text] = []
    current: list[Text] = []
    former: list[Text] = []
    looked, unread = 0, ""
    with (folder / "announced").open() as announced:
        while not stopped.is_set():
            if now() - looked > LOOK:
                looked = now()
                *lines, unread = (unread + announced.read()).split("\n")
                new = [Text(line) for line in lines]
                texts += new
                current += new
            of_former = not current or (former and random.randrange(32) == 0)
            choice = former if of_former else current
            if not choice:
                time.sleep(0)
                continue
            place = random.randrange(len(choice))
            text = choice[place]
            start = now()
            if start - text.kept[0] < stale:
                code = text.kept[1]
            else:
                decision = kw.verify(text.text)
                code = "allowed" if decision.allowed else str(decision.code)
                text.kept = start, code
            text.add(code, start, now())
            verified[number] += 1
            if code == "revoked" and not of_former:
                text.revoked_since = text.revoked_since or start
                if start - text.revoked_since > INTEREST:
                    current[place] = current[-1]
                    current.pop()
                    former.append(text)
    write(f"{name}-{number}", "runs", [f"{text.name} {' '.join(map(str, run))}" for text in texts for run in text.runs])


class Changer:
    def __init__(self, kw: Keywright, name: str) -> None:
        self.kw, self.name = kw, name
        self.count = 0
        self.events: list[str] = []

    def run(self) -> None:
        with (folder / "announced").open("a", buffering=1) as self.announced:
            self.create("default")
            while not stopped.is_set():
                self.live(random.randrange(5))
        write(self.name, "events", self.events)

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
                new = self.change("rotate", texts, "revoked", lambda: keys.rotate(id, grace="0s"))
                texts = [self.note_made("rotate", now(), new)]
            case 3:
                began = now()
                second = self.note_made("rotate", began, keys.rotate(id, grace="1h"))
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
        new = self.kw.org(org).keys.create(name="CI")
        return new.id, self.note_made("create", began, new)

    def change(self, what: str, texts: list[str], code: str, act: Callable[[], Any]) -> Any:
        began = now()
        done = act()
        told = now()
        self.events += [f"{text} {what} {began} {told} {code}" for text in texts]
        self.hold()
        return done

    def note_made(self, what: str, began: int, new: NewKey) -> str:
        told = now()
        text = f"{self.name}.{self.count}"
        self.count += 1
        self.events.append(f"{text} {what} {began} {told} allowed")
        self.announced.write(f"{text} {new.api_key}\n")
        self.hold()
        return text

    def hold(self) -> None:
        time.sleep(random.uniform(0.15, 0.4))


def main() -> None:
    with Keywright(f"sqlite:{order['file']}", brand="check", pepper=os.environ["KEYWRIGHT_PEPPER"], busy_timeout="60s") as kw:
        threads = [threading.Thread(target=verify, args=(kw, n)) for n in range(order["verifiers"])]
        threads += [threading.Thread(target=Changer(kw, f"{name}-{n}").run) for n in range(order["changers"])]
        for thread in threads:
            thread.start()
        for line in sys.stdin:
            print(json.dumps({"asked": line.strip(), "now": now(), "verified": sum(verified), "hot": None}), flush=True)
        stopped.set()
        for thread in threads:
            thread.join()


main()
