"""The unit of systemd and the steps of the container's image."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from program import PROGRAM, environment
from waiting import PATIENCE

DEPLOY = Path(__file__).parents[2] / "core/deploy"
# systemd rates an exposure from 0 to 10, here in tenths. A service without hardening has 9.6.
MOST_EXPOSED = 20


def test_systemd_accepts_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "keywright.service"
    # The program must be there, and it is not where an administrator puts it.
    unit.write_text((DEPLOY / unit.name).read_text().replace("/usr/local/bin/keywright", PROGRAM))
    for words in (["verify", "--man=no"], ["security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager"]):
        done = subprocess.run([analyze, *words, str(unit)], capture_output=True, text=True, timeout=PATIENCE)
        complaints = [line for line in done.stderr.splitlines() if unit.name in line]
        assert done.returncode == 0 and not complaints, (words, done.stdout, done.stderr)


def steps() -> list[tuple[str, str]]:
    """The instructions of the image, with their arguments on one line."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line]


def test_the_image_runs_the_program_as_nobody_special_with_settings_that_exist(tmp_path: Path) -> None:
    found = steps()
    assert [word for word, _ in found].count("FROM") == 2
    (user,) = (given for word, given in found if word == "USER")
    assert int(user) > 0
    (settings,) = (given for word, given in found if word == "ENV")
    variables = dict(it.split("=") for it in settings.split())
    words = ["doctor", "--json", "--brand", "acme"]
    done = subprocess.run([PROGRAM, *words], cwd=tmp_path, env=environment(**variables), capture_output=True, text=True, timeout=PATIENCE)
    assert "names no setting" not in done.stdout and "KEYWRIGHT_LISTEN" in done.stdout, done
    (ports,) = (given for word, given in found if word == "EXPOSE")
    assert ports.split() == [it.rpartition(":")[2] for it in variables.values()]
    build = next(given for word, given in found if word == "RUN")
    assert build.startswith("cargo install --locked ") and "--root /built" in build
    assert ("COPY", "--from=build /built/bin/keywright /usr/local/bin/keywright") in found
