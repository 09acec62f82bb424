"""The types that editors and checkers see are complete, right, and what the native module has."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from keywright import AsyncKeywright, Keywright

FRAMEWORKS = (
    "asgiref",
    "django",
    "django-stubs",
    "fastapi",
    "flask",
    "litestar",
    "httpx",
    "mcp",
    "pydantic",
    "pydantic_core",
    "rest_framework",
    "rest_framework-stubs",
    "starlette",
    "typing_extensions.py",
    "werkzeug",
)
ROOT = Path(__file__).parent.parent.parent
PACKAGE = "bindings-python/python/keywright"
COMMANDS = {
    "mypy": ["mypy", "--strict", PACKAGE, "tests/python"],
    "mypy-behind-stub": ["mypy", "--strict", f"{PACKAGE}/aio.py"],
    "pyright": ["pyright", "--warnings"],
    "stubtest": ["mypy.stubtest", "keywright", "--mypy-config-file", "pyproject.toml"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_types(name: str) -> None:
    # stubtest imports Django REST framework, which reads settings.
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "django.conf.global_settings"}
    done = subprocess.run([sys.executable, "-m", *COMMANDS[name]], cwd=ROOT, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["verify", "authenticate"])
def test_the_asyncio_engine_takes_the_same_options(name: str) -> None:
    def parameters(cls: type[Any]) -> list[tuple[str, Any]]:
        return [(it.name, it.kind) for it in inspect.signature(getattr(cls, name)).parameters.values()][2:]

    assert parameters(AsyncKeywright) == parameters(Keywright)


def test_every_public_type_is_known(tmp_path: Path) -> None:
    """Seen as users have it, installed: pyright asks for that."""
    venv.create(tmp_path, with_pip=False)
    (site,) = tmp_path.glob("lib/python*/site-packages")
    (site / "keywright").symlink_to(ROOT / PACKAGE)
    for framework in Path(sysconfig.get_path("purelib")).iterdir():
        if framework.name in FRAMEWORKS:
            (site / framework.name).symlink_to(framework)
    verify = [sys.executable, "-m", "pyright", "--verifytypes", "keywright", "--ignoreexternal"]
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    done = subprocess.run(verify, cwd=tmp_path, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=600)
    assert "Type completeness score: 100%" in done.stdout, done.stdout + done.stderr
