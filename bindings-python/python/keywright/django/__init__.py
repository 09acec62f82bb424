"""Keywright for Django: ``settings.KEYWRIGHT`` describe one engine, which each process opens when it first needs it.

The parts: ``keywright.django`` in ``INSTALLED_APPS`` brings system checks and commands; ``keywright.django.middleware`` guards
all requests, or only adds headers; ``requires`` guards a view, and ``keywright.django.drf`` those of Django REST framework;
``keywright.django.urls`` is key management, to be included below some path.
"""

from keywright.django.guard import KeyRequest, get_api_key, requires
from keywright.django.site import async_engine, engine

__all__ = ["KeyRequest", "async_engine", "engine", "get_api_key", "requires"]
