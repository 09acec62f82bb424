"""Four programs in Rust, Python and Node draw on one quota, and one of them is killed each second.

    quotas.py rust=COMMAND python=COMMAND node=COMMAND [--store NAME]... [--kills N] [--amount N] [--figures FILE]

Together they are admitted as often as the amount says, and no more. A program that is killed loses what it had bought and not
spent: at most one purchase, and a purchase in advance takes at most a sixteenth of what is left. Before that, programs that
believe in a larger amount show that the check finds too many.
"""

import argparse
import os
import secrets
import signal
import tempfile
import time
from pathlib import Path

from running import Program, write_figure

from keywright import Keywright

STORES = ("sqlite", "postgres")
LANGUAGES = ("rust", "python", "node", "python")
PART = 16

# Seconds that a run may take on a busy machine, beside one for each kill. The programs end when this one does.
PATIENCE = 300

# Bursts of a program in a second.
BURSTS = 200


class Site:
    """A database with a key that has a quota."""

    def __init__(self, commands: dict[str, str], folder: Path, url: str, amount: int) -> None:
        self.commands, self.folder, self.url, self.amount = commands, folder, url, amount
        self.pepper = secrets.token_hex(32)
        self.counters: list[Path] = []
        with self.open() as kw:
            self.text = kw.keys.create(name="metered").api_key

    def open(self) -> Keywright:
        # A balance: a period could end while the programs run.
        return Keywright(self.url, brand="check", pepper=self.pepper, quotas={"all": {"amount": self.amount}})

    def start(self, language: str, burst: int, amount: int | None = None) -> Program:
        counter = self.folder / f"counter-{len(self.counters)}"
        counter.touch()
        self.counters.append(counter)
        order = {"url": self.url, "text": self.text, "counter": str(counter), "amount": amount or self.amount, "burst": burst}
        return Program(self.commands[language], order, self.pepper)

    def admitted(self) -> int:
        """How often all programs were admitted. One that was killed may have counted one request too few."""
        return sum(int.from_bytes(it.read_bytes(), "little") for it in self.counters)

    def rest(self) -> int:
        """Spends what is left, so that what is lost can be counted."""
        spent = 0
        with self.open() as kw:
            while (decision := kw.verify(self.text)).code != "quota_exceeded":
                spent += decision.allowed
        (state,) = decision.quotas
        if (state.used, state.remaining) != (self.amount, 0):
            raise SystemExit(f"{state.used} of {self.amount} are counted as used")
        return spent


def check(site: Site, name: str, kills: int, figures: Path | None) -> None:
    # Two thirds of the quota, if the programs start at once.
    burst = max(1, site.amount * 2 // 3 // (kills + 1) // len(LANGUAGES) // BURSTS)
    programs = [site.start(it, burst) for it in LANGUAGES]
    for program in programs:
        program.wait()
    for kill in range(kills):
        time.sleep(1)
        place = kill % len(LANGUAGES)
        programs[place].kill()
        programs[place] = site.start(LANGUAGES[place], burst)
        programs[place].wait()
    time.sleep(1)
    for program in programs:
        program.end()
    before = site.admitted()
    lost = site.amount - before - site.rest()
    print(f"{name}: {site.amount - lost} of {site.amount} admitted, {before} of them beside {kills} kills, {lost} lost", flush=True)
    if figures:
        write_figure(figures, f"quota on {name}: sold above the amount", max(0, -lost))
        write_figure(figures, f"quota on {name}: lost by a kill, as a part of the largest purchase", lost / kills / (site.amount / PART))
    if not before or not 0 <= lost <= kills * (site.amount // PART + 1):
        raise SystemExit("that is wrong")


def check_finds(site: Site) -> None:
    """Waits until programs with twice the amount have gone beyond it."""
    programs = [site.start(it, 20, 2 * site.amount) for it in LANGUAGES]
    for program in programs:
        program.wait()
    while site.admitted() <= site.amount:
        time.sleep(0.01)
    for program in programs:
        program.end()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("commands", nargs="+", metavar="LANGUAGE=COMMAND")
    options.add_argument("--store", action="append", choices=STORES, help="by default all of them")
    options.add_argument("--kills", type=int, default=3)
    options.add_argument("--amount", type=int, default=100_000)
    options.add_argument("--figures", type=Path, help="a file for the counts")
    given = options.parse_args()
    commands = dict(it.split("=", 1) for it in given.commands)
    signal.alarm(PATIENCE)
    with tempfile.TemporaryDirectory() as folder:
        check_finds(Site(commands, Path(folder), f"sqlite:{folder}/keys.db", 1_000))
    for name in given.store or STORES:
        signal.alarm(PATIENCE + given.kills)
        with tempfile.TemporaryDirectory() as folder:
            url = f"{os.environ['KEYWRIGHT_TEST_POSTGRES']}&schema=quotas" if name == "postgres" else f"sqlite:{folder}/keys.db"
            check(Site(commands, Path(folder), url, given.amount), name, given.kills, given.figures)


main()
