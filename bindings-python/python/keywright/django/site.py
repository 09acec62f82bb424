"""The engine of a process, from ``settings.KEYWRIGHT``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from keywright import AsyncKeywright, Keywright
from keywright.errors import KeywrightError
from keywright.http import AsyncHttp, Needs, SyncHttp, needed

__all__ = ["DECLARED", "Site", "async_engine", "declared", "engine", "site"]


class Site:
    """The settings: ``url`` and the options of ``Keywright``, and ``http`` with the options of ``Keywright.http``.

    ``principal`` is a function of yours, or its import path. It takes a request and returns a dict of ``org``, ``actor`` and ``may`` for
    its caller, or None.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, dict) or "url" not in given:
            raise ImproperlyConfigured('KEYWRIGHT must be a dict with at least a "url", like {"url": "sqlite:keys.db"}')
        options: dict[str, Any] = {**given}
        http: dict[str, Any] = options.pop("http", {})
        principal: Any = options.pop("principal", None)
        self.principal: Callable[[Any], Any] | None = import_string(principal) if isinstance(principal, str) else principal
        try:
            self.engine: AsyncKeywright = AsyncKeywright(options.pop("url"), **options)
            self.sync_http: SyncHttp = SyncHttp(self.engine, **http)
            self.async_http: AsyncHttp = AsyncHttp(self.engine, **http)
        except (KeywrightError, TypeError) as error:
            raise ImproperlyConfigured(f"KEYWRIGHT: {error}") from error


DECLARED: list[Needs] = []
"""The needs that views declare, for the system checks."""

_lock = threading.Lock()
_sites: list[Site] = []


def site() -> Site:
    """Returns the site of this process. Opens nothing."""
    if not _sites:
        with _lock:
            if not _sites:
                _sites.append(Site(getattr(settings, "KEYWRIGHT", None)))
    return _sites[0]


def declared(scopes: str | list[str] | None = None, **needs: Any) -> Needs:
    """Declares the needs of a view; see ``needed``."""
    wanted = needed(scopes, **needs)
    DECLARED.append(wanted)
    return wanted


def engine() -> Keywright:
    """Returns the open engine for your own code, as in ``engine().org("acme").keys.create(name="CI")``."""
    opened: Keywright = site().engine._engine.opened()
    return opened


def async_engine() -> AsyncKeywright:
    """Returns the engine for async code. Its first call opens it."""
    return site().engine


def _changed(*, setting: str, **_: Any) -> None:
    # Tests may override settings.
    if setting == "KEYWRIGHT":
        _sites.clear()


setting_changed.connect(_changed)
