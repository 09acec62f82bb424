"""Keywright for Django: ``settings.KEYWRIGHT`` describes one engine, which each process opens on first use.

``keywright.django`` in ``INSTALLED_APPS`` adds system checks and commands. ``keywright.django.middleware`` guards all requests, or
only adds headers. ``requires`` guards a view, and ``keywright.django.drf`` those of Django REST framework. ``keywright.django.urls`` has
the URLs of key management, to include below a path.
"""

from keywright.django.guard import KeyRequest, get_api_key, requires
from keywright.django.site import async_engine, engine

__all__ = ["KeyRequest", "async_engine", "engine", "get_api_key", "requires"]
