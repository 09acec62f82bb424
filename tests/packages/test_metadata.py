"""The version and the address stand in one place, and every package follows it, with an address and without one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import metadata
import pytest

ADDRESS = "https://example.com/owner/keywright"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the files, without an address whatever the repository says."""
    for name in [*metadata.FILES, "CHANGELOG.md"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(metadata.ROOT / name, tmp_path / name)
    cargo = tmp_path / "Cargo.toml"
    cargo.write_text(re.sub(r'^repository = ".*"\n', "", cargo.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    write(tmp_path)
    return tmp_path


def write(root: Path) -> None:
    for path, text in metadata.differing(root).items():
        path.write_text(text, "utf-8")
    assert metadata.differing(root) == {}


def texts(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text("utf-8") for name in metadata.FILES}


def set_address(root: Path, address: str) -> None:
    cargo = root / "Cargo.toml"
    cargo.write_text(metadata.replaced(r"^(\[workspace\.package\]\n)", rf'\1repository = "{address}"\n', cargo.read_text("utf-8")), "utf-8")


def test_the_files_of_this_repository_agree() -> None:
    assert sorted(path.name for path in metadata.differing(metadata.ROOT)) == []


def test_without_an_address_no_package_names_one(root: Path) -> None:
    package = json.loads((root / "package.json").read_text("utf-8"))
    assert not {"repository", "homepage", "bugs"} & set(package)
    assert "[project.urls]" not in (root / "pyproject.toml").read_text("utf-8")
    assert "repository" not in (root / "core/Cargo.toml").read_text("utf-8")
    assert "](core/guide/verification.md)" in (root / "README.md").read_text("utf-8")


def test_one_line_gives_every_package_the_address(root: Path) -> None:
    before = texts(root)
    set_address(root, ADDRESS)
    assert {path.name for path in metadata.differing(root)} == {"Cargo.toml", "pyproject.toml", "package.json", "README.md"}
    write(root)
    package = json.loads((root / "package.json").read_text("utf-8"))
    assert package["repository"] == {"type": "git", "url": f"git+{ADDRESS}.git"}
    assert package["homepage"] == f"{ADDRESS}#readme"
    assert f'Source = "{ADDRESS}"' in (root / "pyproject.toml").read_text("utf-8")
    assert "repository.workspace = true" in (root / "core/Cargo.toml").read_text("utf-8")
    links = re.findall(r"\]\((.*?)\)", (root / "README.md").read_text("utf-8"))
    assert links
    assert [it for it in links if not it.startswith(f"{ADDRESS}/blob/v")] == []

    # Without the line all is as before.
    cargo = root / "Cargo.toml"
    cargo.write_text(cargo.read_text("utf-8").replace(f'repository = "{ADDRESS}"\n', ""), "utf-8")
    write(root)
    assert texts(root) == before


@pytest.mark.parametrize("address", ["example.com/owner/keywright", f"{ADDRESS}/", "https://example.com"])
def test_a_wrong_address_is_refused(root: Path, address: str) -> None:
    set_address(root, address)
    with pytest.raises(SystemExit):
        metadata.differing(root)


def test_one_command_raises_the_version_everywhere(root: Path) -> None:
    before = metadata.setting((root / "Cargo.toml").read_text("utf-8"), "version")
    metadata.raise_version(root, "7.8.9")
    write(root)
    assert json.loads((root / "package.json").read_text("utf-8"))["version"] == "7.8.9"
    for name in ("Cargo.toml", "Cargo.lock", "package-lock.json"):
        assert (
            re.findall(rf'\n *(?:name = "keywright.*|"name": "keywright",)\n *"?version"?.*{before}', (root / name).read_text("utf-8"))
            == []
        )
    assert re.search(r"^## \[Unreleased\]\n\n## \[7\.8\.9\] - \d{4}-\d\d-\d\d\n", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
