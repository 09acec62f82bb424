"""Three programs, in Rust, Python and Node, work on one database at the same time. Prints each step; fails if one is wrong.

The command line of each program is given as one argument: `demo.py rust=... python=... node=...`. The database is a SQLite file. If
KEYWRIGHT_TEST_STORE has the beginning of a URL, it ends with a new name, and KEYWRIGHT_TEST_DUMP has the command that prints that schema.
"""

import json
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STORE = os.environ.get("KEYWRIGHT_TEST_STORE")
# Seconds in which a program hears of another's change. On one file it knows at once.
PATIENCE = 300 if STORE else 0


class Program:
    """One running program, which answers each order with one line of JSON."""

    def __init__(self, name: str, command: list[str], url: str, pepper: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [*command, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "KEYWRIGHT_PEPPER": pepper},
        )

    def ask(self, do: str, **order: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended instead of answering `{do}`")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(timeout=300)


class Demo:
    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.checks = 0
        self.wrong = 0
        self.issued: list[str] = []

    def others(self, than: Program) -> list[Program]:
        return [program for program in self.programs if program is not than]

    def keep(self, key: dict[str, Any]) -> dict[str, Any]:
        """Keeps the secret part, to search the database for it at the end."""
        self.issued.append(key["api_key"].removeprefix(key["prefix"]))
        return key

    def check(self, right: bool, line: str) -> None:
        self.checks += 1
        self.wrong += not right
        print(f"  {'ok ' if right else 'NOT'}  {line}")

    def decided(self, by: Program, text: str, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The decision of a program, after it has heard of the last change."""
        ends = time.monotonic() + PATIENCE
        while not right(decision := by.ask("verify", text=text)) and time.monotonic() < ends:
            time.sleep(0.01)
        return decision

    def allowed(self, by: Program, text: str, what: str, deprecated: bool = False) -> None:
        def right(decision: dict[str, Any]) -> bool:
            return bool(decision["allowed"]) and decision["deprecated"] is deprecated

        self.check(right(self.decided(by, text, right)), f"{by.name:<6} allows {what}{', in grace' if deprecated else ''}")

    def refused(self, by: Program, text: str, what: str, code: str) -> None:
        decision = self.decided(by, text, lambda it: not it["allowed"])
        self.check(decision.get("code") == code, f"{by.name:<6} refuses {what}: {decision.get('code')}")

    def run(self) -> None:
        rust, python, node = self.programs

        print("\nEach language issues a key.")
        keys = {}
        for program in self.programs:
            key = keys[program] = self.keep(program.ask("create", name=f"made by {program.name}"))
            self.check(key["api_key"].startswith(key["prefix"]), f"{program.name:<6} made {key['prefix']}...  id {key['id']}")

        print("\nEach verifies the keys of the other two.")
        for program in self.programs:
            for maker in self.others(program):
                self.allowed(program, keys[maker]["api_key"], f"the key of {maker.name}")

        print("\nPython rotates the key of Rust with an hour of grace: both secrets work, everywhere.")
        rotated = self.keep(python.ask("rotate", id=keys[rust]["id"]))
        self.check(rotated["id"] == keys[rust]["id"], f"python made {rotated['prefix']}...  same id")
        for program in self.programs:
            self.allowed(program, rotated["api_key"], "the new secret")
            self.allowed(program, keys[rust]["api_key"], "the former secret", deprecated=True)

        heard = "all programs hear of it" if STORE else "the very next verification in any program is refused"
        print(f"\nNode revokes the key of Python: {heard}.")
        revoked = node.ask("revoke", id=keys[python]["id"])
        self.check(revoked["status"] == "revoked", f"node   set {revoked['prefix']}... to {revoked['status']}")
        for program in self.programs:
            self.refused(program, keys[python]["api_key"], "the key of python", "revoked")

        print("\nRust revokes the rotated key: both of its secrets die.")
        revoked = rust.ask("revoke", id=rotated["id"])
        self.check(revoked["status"] == "revoked", f"rust   set {revoked['prefix']}... to {revoked['status']}")
        for program in self.others(rust):
            self.refused(program, rotated["api_key"], "the new secret", "revoked")
            self.refused(program, keys[rust]["api_key"], "the former secret", "revoked")

        print("\nWhat was never issued is refused; what nobody touched still works.")
        for program in self.programs:
            self.refused(program, keys[node]["api_key"][:-1], "a text cut short", "invalid")
            self.allowed(program, keys[node]["api_key"], "the key of node")


def stored(folder: Path, name: str) -> bytes:
    """All bytes of the database."""
    dump = os.environ.get("KEYWRIGHT_TEST_DUMP")
    if dump is None:
        return b"".join(path.read_bytes() for path in folder.iterdir())
    return subprocess.run([*shlex.split(dump), "--schema", name], stdout=subprocess.PIPE, check=True).stdout


def main() -> int:
    commands = dict(argument.split("=", 1) for argument in sys.argv[1:])
    pepper = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as folder:
        database = f"demo_{secrets.token_hex(8)}"
        url = (STORE or f"sqlite:{folder}/") + database
        programs = [Program(name, shlex.split(commands[name]), url, pepper) for name in ("rust", "python", "node")]
        print("Keywright: one database, and a program in each of Rust, Python and Node that has it open.")
        demo = Demo(programs)
        try:
            demo.run()
        finally:
            ends = [program.stop() for program in programs]
        demo.check(ends == [0, 0, 0], "all three programs ended well")
        found = stored(Path(folder), database)
        demo.check(b"made by rust" in found, "the name of a key is in the database")
        demo.check(not any(text.encode() in found for text in [pepper, *demo.issued]), "no secret and no pepper is in it")
    print(f"\n{demo.checks - demo.wrong} of {demo.checks} as it should be.")
    return 1 if demo.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
