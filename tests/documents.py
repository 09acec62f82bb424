"""Holds the documents for those who work on Keywright against the sources.

Every link and every path in backticks leads to a file, every name in the glossary of
ARCHITECTURE.md is in the sources, every module of the core is in its table of layers, and the
guide's table of refusals has every code of a denial.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATH = re.compile(r"^[\w.*-]+(?:/[\w.*-]+)+/?$")
# Folders that a command makes, and names of imports.
MADE = ("target/", "node_modules/", "keywright/")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def leads(page: Path, target: str) -> bool:
    """Whether a path leads somewhere, from the page or from the root."""
    return target.startswith(MADE) or any(
        place.exists() or list(place.parent.glob(place.name)) for place in (page.parent / target, ROOT / target)
    )


def faults(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    paths = [code for code in re.findall(r"`([^`\n]+)`", text) if PATH.match(code)]
    return [f"{page.relative_to(ROOT)}: {target} is not there" for target in links + paths if target and not leads(page, target)]


def glossary() -> list[str]:
    """Returns the names in the first column of the glossary that no source has."""
    page = ROOT / "ARCHITECTURE.md"
    _, _, rest = page.read_text("utf-8").partition("## Words")
    rows = re.findall(r"^\| (.*?) \|", rest.partition("\n## ")[0], re.MULTILINE)
    names = {name for row in rows for code in re.findall(r"`([^`]+)`", row) for name in re.findall(r"\w+", code)}
    words: set[str] = set()
    for source in tracked("core/src", "bindings-python", "bindings-node"):
        words.update(re.findall(r"\w+", source.read_text("utf-8", errors="ignore")))
    if not names:
        return ["ARCHITECTURE.md: the glossary names nothing"]
    return [f"ARCHITECTURE.md: no source has {name}" for name in sorted(names - words)]


def layers() -> list[str]:
    """Returns the modules of the core that the table of layers leaves out."""
    _, _, rest = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("## Layers")
    named = set(re.findall(r"`(\w+)`", rest.partition("\n## ")[0]))
    modules = {path.relative_to(ROOT / "core/src").parts[0].removesuffix(".rs") for path in tracked("core/src/*.rs")}
    return [f"ARCHITECTURE.md: no layer has {module}" for module in sorted(modules - named)]


def refusals() -> list[str]:
    """Returns the codes of denials that the guide's table leaves out."""
    page = "core/guide/management.md"
    named = set(re.findall(r"`([A-Z_]+)`", " ".join(re.findall(r"^\| \d.*$", (ROOT / page).read_text("utf-8"), re.MULTILINE))))
    cases = json.loads((ROOT / "tests/vectors/errors.json").read_text("utf-8"))["tests"]
    wire = {case["wire"] for case in cases if case["kind"] == "decision"}
    return [f"{page}: the table of refusals has no {code}" for code in sorted(wire - named)]


def main() -> int:
    pages = [page for page in tracked("*.md") if "vectors" not in page.parts and page.name != "CHANGELOG.md"]
    found = [fault for page in pages for fault in faults(page)] + glossary() + layers() + refusals()
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
