"""Keeps the version and the repository's address in one place: `[workspace.package]` of the Cargo.toml at the root.

metadata.py              fails when another file differs, and names it
metadata.py --write      writes them into the other files
metadata.py --version X  sets the version, then writes; the change log gets a heading for it

`repository` is left out there until the repository has an address. Then the crate, the Python project and the npm package
name it, and the links of README.md become absolute, since registries show that file without the others.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README_LINK = re.compile(r"\]\((?:https://[^)\s]*/blob/[^/)\s]+/)?((?:core/guide/)?[A-Za-z-]+\.md|LICENSE-[A-Z0-9a-z]+)\)")


def setting(text: str, name: str) -> str | None:
    """Returns a value of `[workspace.package]`."""
    _, _, rest = text.partition("[workspace.package]\n")
    section, _, _ = rest.partition("\n[")
    found = re.search(rf'^{name} = "(.*)"$', section, re.MULTILINE)
    return found and found[1]


def replaced(pattern: str, by: str, text: str, *, times: int = 1) -> str:
    text, done = re.subn(pattern, lambda found: found.expand(by), text, flags=re.MULTILINE)
    if done != times:
        raise SystemExit(f"{pattern!r} is there {done} times, not {times}")
    return text


def cargo(text: str, version: str, _: str | None) -> str:
    return replaced(r'^(keywright = \{ path = "core", version = )".*?"', rf'\1"{version}"', text)


def cargo_lock(text: str, version: str, _: str | None) -> str:
    return replaced(r'^(name = "keywright(?:-\w+)?"\nversion = )".*"$', rf'\1"{version}"', text, times=5)


def crate(text: str, _: str, repository: str | None) -> str:
    text = re.sub(r"^repository\.workspace = true\n", "", text, flags=re.MULTILINE)
    return replaced(r"^(license\.workspace = true\n)", r"\1repository.workspace = true\n", text) if repository else text


def python(text: str, _: str, repository: str | None) -> str:
    text = re.sub(r"^\[project\.urls\]\n(?:\w+ = .*\n)+\n", "", text, flags=re.MULTILINE)
    if not repository:
        return text
    pages = {
        "Source": repository,
        "Documentation": f"{repository}/tree/HEAD/core/guide",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }
    urls = "".join(f"{name} = {json.dumps(page)}\n" for name, page in pages.items())
    return replaced(r"^(\[project\.optional-dependencies\])$", rf"[project.urls]\n{urls}\n\1", text)


def npm(text: str, version: str, repository: str | None) -> str:
    text = replaced(r'^(  "version": )".*"', rf'\1"{version}"', text)
    text = re.sub(r'^  "(?:homepage|bugs|repository)": (?:".*"|\{[^}]*\}),\n', "", text, flags=re.MULTILINE)
    if not repository:
        return text
    fields = {
        "homepage": f"{repository}#readme",
        "bugs": f"{repository}/issues",
        "repository": {"type": "git", "url": f"git+{repository}.git"},
    }
    lines = json.dumps(fields, indent=2)[2:-2]
    return replaced(r'^(  "author": ".*",\n)', rf"\1{lines},\n", text)


def npm_lock(text: str, version: str, _: str | None) -> str:
    return replaced(r'^( +"name": "keywright",\n +"version": )".*"', rf'\1"{version}"', text, times=2)


def readme(text: str, version: str, repository: str | None) -> str:
    return README_LINK.sub(rf"]({repository}/blob/v{version}/\1)" if repository else r"](\1)", text)


FILES = {
    "Cargo.toml": cargo,
    "Cargo.lock": cargo_lock,
    "core/Cargo.toml": crate,
    "pyproject.toml": python,
    "package.json": npm,
    "package-lock.json": npm_lock,
    "README.md": readme,
}


def differing(root: Path) -> dict[Path, str]:
    """Returns the files that differ from the Cargo.toml of the root, with the text that agrees."""
    source = (root / "Cargo.toml").read_text("utf-8")
    version, repository = setting(source, "version"), setting(source, "repository")
    if not version or not re.fullmatch(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.]+)?", version):
        raise SystemExit(f"{version} is no version: write one like 1.2.3 into [workspace.package]")
    if repository is not None and not re.fullmatch(r"https://[^\s/]+/\S+[^/]", repository):
        raise SystemExit(f"{repository} is no address of a repository: write one like https://host/owner/name, without a slash at its end")
    texts = {root / name: (root / name).read_text("utf-8") for name in FILES}
    wanted = {root / name: write(texts[root / name], version, repository) for name, write in FILES.items()}
    return {path: text for path, text in wanted.items() if text != texts[path]}


def raise_version(root: Path, version: str) -> None:
    file, log = root / "Cargo.toml", root / "CHANGELOG.md"
    text = file.read_text("utf-8")
    head, section, rest = text.partition("[workspace.package]\n")
    file.write_text(head + section + re.sub(r'^version = ".*"$', f'version = "{version}"', rest, count=1, flags=re.MULTILINE), "utf-8")
    today = datetime.datetime.now(datetime.timezone.utc).date()
    log.write_text(replaced(r"^## \[Unreleased\]$", rf"## [Unreleased]\n\n## [{version}] - {today}", log.read_text("utf-8")), "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--version")
    arguments = parser.parse_args()
    if arguments.version:
        raise_version(arguments.root, arguments.version)
    found = differing(arguments.root)
    for path, text in found.items():
        if arguments.write or arguments.version:
            path.write_text(text, "utf-8")
        else:
            print(f"{path.relative_to(arguments.root)} differs from Cargo.toml: run tests/packages/metadata.py --write")
    return 0 if arguments.write or arguments.version else int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
