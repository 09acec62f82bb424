"""Key management, to be included where it belongs: ``path("manage/", include("keywright.django.urls"))``."""

from __future__ import annotations

import io
from inspect import iscoroutinefunction
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path

from keywright import wsgi
from keywright.django.guard import parts, respond
from keywright.django.site import site

__all__ = ["management", "urlpatterns"]


async def management(request: HttpRequest, rest: str) -> HttpResponse:
    """Answers a management request."""
    principal, session = site().principal, None
    if principal is not None:
        # One that is not async may ask the database.
        session = await (principal(request) if iscoroutinefunction(principal) else sync_to_async(principal)(request))
    body = _body(request)
    if body is None:
        return HttpResponse(status=400)
    method, target, headers, peer = parts(request)
    mounted = request.path.removesuffix(rest).encode()
    target = target[len(mounted) - 1 :] if target.startswith(mounted) else wsgi.UNREADABLE
    return respond(await site().async_http.manage(method, target, headers, peer, body, session))


# The contract has a protection of its own against forged requests.
management.csrf_exempt = True  # type: ignore[attr-defined]


def _body(request: HttpRequest) -> bytes | None:
    known = cast("Any", request)
    is_kept = hasattr(request, "_body")
    if known._read_started and not is_kept:
        # Another has read it, and what it said must not be left out.
        return None
    if isinstance(request, ASGIRequest):
        return wsgi.body({**request.META, "wsgi.input": request, "wsgi.input_terminated": True})
    environ = known.environ
    return wsgi.body({**environ, "wsgi.input": io.BytesIO(request.body), "wsgi.input_terminated": False} if is_kept else environ)


urlpatterns: list[URLPattern] = [re_path(r"^(?P<rest>.*)$", management)]
