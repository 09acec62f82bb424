"""Classes for ``MIDDLEWARE``: one guards every request, one adds headers for views with guards of their own, one serves management."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction

from keywright.django.guard import add_headers, decided, decided_later, enter
from keywright.django.site import site
from keywright.django.urls import inside, management
from keywright.http import LARGEST_KEPT, AuthContext, Response

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

__all__ = ["HeadersMiddleware", "KeywrightMiddleware", "ManagementMiddleware"]


class HeadersMiddleware:
    """Adds the headers of the contract to every response of a request that a view let through, including errors."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async: bool = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Serves one request."""
        return self._awaited(request) if self.is_async else self._answered(request)

    def _answered(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        lease = request.__dict__.pop("_keywright_lease", None)  # Two of these may stand behind each other.
        if lease is not None:
            site().sync_http.finish(lease, response.status_code, list(response.items()), _kept(response))
        add_headers(request, response)
        return response

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        lease = request.__dict__.pop("_keywright_lease", None)  # Two of these may stand behind each other.
        if lease is not None:
            await site().async_http.finish(lease, response.status_code, list(response.items()), _kept(response))
        add_headers(request, response)
        return response


class KeywrightMiddleware(HeadersMiddleware):
    """Lets a request through to its view if its key, or the rule of its path, allows it, and responds to it otherwise.

    A path without a view gets 404. The view reads the pass, an ``AuthContext``, from ``request.keywright``, and the key from
    ``request.api_key``. Put it before Django's CSRF middleware: a request with a key, which no browser sends by
    itself, needs no protection.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        # Django awaits a coroutine function, and runs any other function on a thread.
        self.process_view: Callable[..., Any] = self._judged_later if self.is_async else self._judged

    def _judged(self, request: HttpRequest, view: Any, _args: Any, _kwargs: Any) -> HttpResponse | None:
        if view is management:
            return None
        return _trusted(request, decided(request, None))

    async def _judged_later(self, request: HttpRequest, view: Any, _args: Any, _kwargs: Any) -> HttpResponse | None:
        if view is management:
            return None
        return _trusted(request, await decided_later(request, None))


class ManagementMiddleware(HeadersMiddleware):
    """Serves management at the ``path`` in ``KEYWRIGHT["http"]``, and leaves all other requests to the views.

    Put it behind the middleware that your ``principal`` needs, such as that of sessions.
    """

    def _answered(self, request: HttpRequest) -> HttpResponseBase:
        rest = request.path_info.removeprefix("/")
        if site().sync_http.manages(inside(request, rest)):
            return async_to_sync(management)(request, rest)
        response: HttpResponseBase = self.get_response(request)
        return response

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        rest = request.path_info.removeprefix("/")
        if site().async_http.manages(inside(request, rest)):
            return await management(request, rest)
        response: HttpResponseBase = await self.get_response(request)
        return response


def _trusted(request: HttpRequest, answer: AuthContext | Response | None) -> HttpResponse | None:
    cast("Any", request)._dont_enforce_csrf_checks = isinstance(answer, AuthContext) and answer.principal != "anyone"
    return enter(request, answer)


def _kept(response: HttpResponseBase) -> bytes:
    # A stream counts as too long to store.
    return bytes(LARGEST_KEPT + 1) if response.streaming else cast("Any", response).content
