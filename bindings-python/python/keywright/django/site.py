"""The one engine of a process, as ``settings.KEYWRIGHT`` describe it."""

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
    """What the settings say: ``url`` and the options of ``Keywright``, beside ``http`` with those of ``Keywright.http``.

    ``principal`` is your own function, or where it is to be imported from: from a request to a dict of ``org``, ``actor`` and ``may``
    for whoever manages keys with it, or None.
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
"""What views need, for the system checks: the settings may know nobody who could meet it."""

_lock = threading.Lock()
_sites: list[Site] = []


def site() -> Site:
    """The site of this process. Nothing is opened for it."""
    if not _sites:
        with _lock:
            if not _sites:
                _sites.append(Site(getattr(settings, "KEYWRIGHT", None)))
    return _sites[0]


def declared(scopes: str | list[str] | None = None, **needs: Any) -> Needs:
    """What a view needs, see ``needed``."""
    wanted = needed(scopes, **needs)
    DECLARED.append(wanted)
    return wanted


def engine() -> Keywright:
    """The engine, open: for your own code, as ``engine().org("acme").keys.create(name="CI")``."""
    opened: Keywright = site().engine._engine.opened()
    return opened


def async_engine() -> AsyncKeywright:
    """The same engine for async code; it opens with its first call."""
    return site().engine


def _changed(*, setting: str, **_: Any) -> None:
    # Tests override settings.
    if setting == "KEYWRIGHT":
        _sites.clear()


setting_changed.connect(_changed)
