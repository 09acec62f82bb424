"""The URLs of key management, to include below a path: ``path("manage/", include("keywright.django.urls"))``."""

from __future__ import annotations

from inspect import iscoroutinefunction

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path

from keywright import environ
from keywright.django.guard import body, parts, respond
from keywright.django.site import site
from keywright.http import LARGEST_BODY, Target

__all__ = ["inside", "management", "urlpatterns"]


async def management(request: HttpRequest, rest: str) -> HttpResponse:
    """Handles a management request."""
    principal, session = site().principal, None
    if principal is not None:
        # A function that is not async may query the database.
        session = await (principal(request) if iscoroutinefunction(principal) else sync_to_async(principal)(request))
    content = body(request, LARGEST_BODY)
    if content is None:
        return HttpResponse(status=400)
    method, _, headers, peer = parts(request)
    return respond(await site().async_http.manage(method, inside(request, rest), headers, peer, content, session))


def inside(request: HttpRequest, rest: str) -> bytes:
    """Returns the target below the path of management, which ends with ``rest``."""
    given = parts(request)[1]
    target = given.target if isinstance(given, Target) else given
    mounted = request.path_info.removesuffix(rest).encode()
    return target[len(mounted) - 1 :] if target.startswith(mounted) else environ.UNREADABLE


# The contract has its own CSRF protection.
management.csrf_exempt = True  # type: ignore[attr-defined]


urlpatterns: list[URLPattern] = [re_path(r"^(?P<rest>.*)$", management)]
