"""Runs the programs of the README and the guide as they stand. The programs of one page share its files.

`readme.py express README` runs these pages only.
"""

import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/servers"), str(ROOT / "tests/python")]

from client import Servers  # noqa: E402
from postgres import free_port  # noqa: E402
from program import Served  # noqa: E402

WORDS = 600

# Pages about one framework, and its language.
FRAMEWORKS = {
    "asgi": "python",
    "wsgi": "python",
    "fastapi": "python",
    "flask": "python",
    "django": "python",
    "litestar": "python",
    "mcp-python": "python",
    "express": "js",
    "fastify": "js",
    "hono": "js",
    "mcp": "js",
    "nest": "ts",
    "next": "js",
    "request": "js",
    "axum": "rust",
}
LINES = 80

# Pages whose blocks are settings of other people's programs: an area of `tests/field` uses them.
FIELD = {"bundling"}

# Pages whose blocks are one script of the shell, with the program of the wheel.
SHELL = {"cli", "serve"}

# Pages with such a script beside their programs.
WITH_SHELL = {"import", "README"}

# Pages whose programs ask a server, with the scopes of the key that they have.
SERVED = {"client": "keys:manage,keys:verify,deals:read"}

# Pages whose Rust program is an example of the tests. Those of the other pages are tests of the crate's documentation.
EXAMPLES = {"README": "readme", "client": "client", "postgresql": "postgresql"}

# Commands, statements and data.
NO_PROGRAMS = {"sh", "sql", "toml", "json"}

# Pages whose blocks are one program, in one language.
ONE_PROGRAM = FRAMEWORKS | {"forward": "python", "element": "js"}


def command(page: Path, language: str, program: str, folder: Path) -> list[str]:
    if language == "sh":
        # A command that fails ends the server that a page has started, and the port of the page may be in use here.
        ended = "trap 'jobs -p | xargs -r kill' EXIT\n"
        (folder / "quick.sh").write_text(ended + program.replace("127.0.0.1:8787", f"127.0.0.1:{free_port()}") + "\nwait\n")
        return ["bash", "-euo", "pipefail", "quick.sh"]
    if language == "python":
        (folder / "quick.py").write_text(program)
        return [sys.executable, "quick.py"]
    if language == "js":
        (folder / "quick.mjs").write_text(program)
        return ["node", "quick.mjs"]
    if language == "ts":
        (folder / "quick.mts").write_text(program)
        compiler = [str(ROOT / "node_modules/typescript/bin/tsc"), "--module", "nodenext", "--target", "es2022", "--strict"]
        subprocess.run(["node", *compiler, "--experimentalDecorators", "--emitDecoratorMetadata", "quick.mts"], cwd=folder, check=True)
        return ["node", "quick.mjs"]
    # The build script beside this file has made an example of it.
    manifest = str(ROOT / "Cargo.toml")
    return ["cargo", "run", "--quiet", "--manifest-path", manifest, "--package", "keywright-tests", "--example", EXAMPLES[page.stem]]


def run(page: Path, language: str, program: str, folder: Path) -> str | None:
    """Returns the output of the program, or None when it failed."""
    database = f"{os.environ['KEYWRIGHT_TEST_POSTGRES']}&statement_timeout=1min&schema=guide_{secrets.token_hex(8)}"
    if language == "sh":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KEYWRIGHT_")}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    else:
        environment = {**os.environ, "KEYWRIGHT_PEPPER": secrets.token_hex(32), "DATABASE_URL": database}
    done = subprocess.run(command(page, language, program, folder), cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    print(done.stdout, done.stderr, sep="\n")
    return None


def programs(page: Path) -> list[tuple[str, str]]:
    blocks = re.findall(r"^```(\w*)[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    script = [("sh", "\n".join(program for language, program in blocks if language == "sh"))]
    if page.stem in SHELL:
        return script
    found = [(language, program) for language, program in blocks if language not in NO_PROGRAMS]
    if page.stem in ONE_PROGRAM:
        only = ONE_PROGRAM[page.stem]
        return [(only, "\n".join(program for language, program in found if language == only))]
    if sorted(language for language, _ in found) != ["js", "python", "rust"]:
        raise SystemExit(f"{page.name} must have one program in each of js, python and rust")
    return found + script if page.stem in WITH_SHELL else found


@contextmanager
def server(page: Path, folder: Path) -> Iterator[None]:
    """Runs a server while the programs of a page need it."""
    if page.stem not in SERVED:
        yield
        return
    served = Served(folder)
    try:
        os.environ["MANAGER"] = served.create("--scopes", SERVED[page.stem])
        os.environ["SERVER"] = served.start().place
        yield
    finally:
        served.end()


def pages(wanted: list[str]) -> list[Path]:
    found = [ROOT / "README.md", *sorted((ROOT / "core" / "guide").glob("*.md"))]
    if unknown := set(wanted) - {page.stem for page in found}:
        raise SystemExit(f"no page {', '.join(sorted(unknown))}")
    return [page for page in found if not wanted or page.stem in wanted]


def main() -> int:
    words = len((ROOT / "README.md").read_text().split())
    print(f"{words} words, {WORDS} at most")
    failed = words > WORDS
    with Servers() as servers:
        os.environ["REDIS_URL"] = servers("redis")["url"]
        failed = run_pages() or failed
    return 1 if failed else 0


def run_pages() -> bool:
    """Returns whether one of the programs failed."""
    failed = False
    # Inside the repository, so that Node finds `keywright` as the package the program stands in.
    (ROOT / "target").mkdir(exist_ok=True)
    for page in pages(sys.argv[1:]):
        if page.stem in FIELD:
            continue
        if page.stem in FRAMEWORKS and len(page.read_text().splitlines()) > LINES:
            raise SystemExit(f"{page.name} has more than {LINES} lines")
        with tempfile.TemporaryDirectory(dir=ROOT / "target") as name, server(page, Path(name)):
            for language, program in programs(page):
                if language == "rust" and page.stem not in EXAMPLES:
                    continue
                shown = run(page, language, program, Path(name))
                right = shown is not None and (page.name != "README.md" or "acme_live_" in shown)
                failed = failed or not right
                print(f"{page.name}, {language}: {'ran' if right else 'FAILED'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
