"""System checks of ``settings.KEYWRIGHT``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver

from keywright import Keywright
from keywright.django.site import DECLARED, site
from keywright.errors import KeywrightError

__all__ = ["check_deployment", "check_settings"]

MIDDLEWARE = {f"keywright.django.middleware.{name}" for name in ("KeywrightMiddleware", "HeadersMiddleware")}


def check_settings(**_: Any) -> list[CheckMessage]:
    """Checks everything that does not need the database."""
    return list(_settings())


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Checks for ``check --deploy``: no pepper, or a database that cannot be opened."""
    return list(_deployment())


def _settings() -> Iterator[CheckMessage]:
    try:
        site()
    except (ImproperlyConfigured, ImportError) as error:
        yield Error(str(error), id="keywright.E001")
        return
    given: dict[str, Any] = settings.KEYWRIGHT
    pepper: Any = given.get("pepper", ())
    peppers = [pepper] if isinstance(pepper, str | bytes | bytearray) else pepper
    taken = {it.encode() for it in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS) if isinstance(it, str)}
    if any((it.encode() if isinstance(it, str) else bytes(it)) in taken for it in peppers):
        hint = "Make one with `openssl rand -base64 32`, and keep it away from the database."
        yield Error("the pepper of KEYWRIGHT is SECRET_KEY, and whoever learns one has both", hint=hint, id="keywright.E002")
    file = _file(given)
    if file in {Path(it["NAME"]).resolve() for it in settings.DATABASES.values() if it.get("NAME")}:
        yield Error("KEYWRIGHT names a database of DATABASES", hint="Give Keywright a file of its own.", id="keywright.E003")
    # Importing the routes imports the views, which declare their needs.
    get_resolver().url_patterns  # noqa: B018
    for needs in DECLARED:
        try:
            site().sync_http._config.check(needs)
        except KeywrightError as error:
            yield Error(f"a view needs what nobody could meet: {error}", id="keywright.E005")
    if not MIDDLEWARE.intersection(settings.MIDDLEWARE):
        hint = "Add keywright.django.middleware.HeadersMiddleware, or KeywrightMiddleware to guard every request."
        yield checks.Warning("no middleware of Keywright: errors lack the contract's headers", hint=hint, id="keywright.W001")


def _deployment() -> Iterator[CheckMessage]:
    try:
        site()
    except (ImproperlyConfigured, ImportError):
        return
    given: dict[str, Any] = settings.KEYWRIGHT
    if not given.get("pepper"):
        hint = 'Set KEYWRIGHT["pepper"], from a secret that is kept away from the database.'
        yield checks.Warning(
            "KEYWRIGHT has no pepper: keys are hashed slowly, and a stolen database is all there is", hint=hint, id="keywright.W002"
        )
    file = _file(given)
    if file is None or not file.exists():
        return
    to_read: dict[str, Any] = {**given, "read_only": True}
    for name in ("http", "principal"):
        to_read.pop(name, None)
    try:
        Keywright(**to_read).close()
    except (KeywrightError, TypeError) as error:
        yield Error(f"the database of KEYWRIGHT cannot be opened: {error}", id="keywright.E004")


def _file(given: dict[str, Any]) -> Path | None:
    scheme, _, path = str(given.get("url", "")).partition(":")
    return Path(path).resolve() if scheme == "sqlite" and path else None
