"""Runs every program of the README, each as it stands, one after another on one file."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = 600


def command(language: str, program: str, folder: Path) -> list[str]:
    if language == "python":
        (folder / "quick.py").write_text(program)
        return [sys.executable, "quick.py"]
    if language == "js":
        (folder / "quick.mjs").write_text(program)
        return ["node", "quick.mjs"]
    # The build script beside this file has made an example of it.
    manifest = str(ROOT / "Cargo.toml")
    return ["cargo", "run", "--quiet", "--manifest-path", manifest, "--package", "keywright-tests", "--example", "readme"]


def main() -> int:
    text = (ROOT / "README.md").read_text()
    words = len(text.split())
    print(f"{words} words, {WORDS} at most")
    failed = words > WORDS

    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    programs = [(language, program) for language, program in blocks if language != "sh"]
    if sorted(language for language, _ in programs) != ["js", "python", "rust"]:
        raise SystemExit("the README must have one program in each of python, js and rust")

    # Inside the repository, so that Node finds `keywright` as the package the program stands in.
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as name:
        folder = Path(name)
        environment = {**os.environ, "KEYWRIGHT_PEPPER": secrets.token_hex(32)}
        for language, program in programs:
            done = subprocess.run(command(language, program, folder), cwd=folder, env=environment, capture_output=True, text=True)
            shown = "acme_live_" in done.stdout
            right = done.returncode == 0 and shown
            failed = failed or not right
            print(f"{language}: {'ran and showed its key' if right else 'FAILED'}")
            if not right:
                print(done.stdout, done.stderr, sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
