"""Middleware for ``MIDDLEWARE``: to guard every request, to add headers where views guard themselves, to manage keys among them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction

from keywright.django.guard import add_headers, decided, decided_later, enter
from keywright.django.site import site
from keywright.django.urls import inside, management
from keywright.http import LARGEST_KEPT, Passed, Response

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

__all__ = ["HeadersMiddleware", "KeywrightMiddleware", "ManagementMiddleware"]


class HeadersMiddleware:
    """Adds the contract's headers to every response of a request that a view has let in, errors among them."""

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
    """Lets a request to a view when its key, or the rule of its path, allows it, and answers it otherwise; what has no view is not found.

    The view finds what is known of it in ``request.keywright``, a ``Passed``, and its key in ``request.api_key``. Put it before Django's
    protection against forged requests: what came with a key, which no browser sends by itself, needs none.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        # Django takes a coroutine function as it is, and gives a thread to anything else.
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
    """Answers about keys at the ``path`` that the options of ``KEYWRIGHT["http"]`` name, and leaves everything else to the views.

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


def _trusted(request: HttpRequest, answer: Passed | Response | None) -> HttpResponse | None:
    cast("Any", request)._dont_enforce_csrf_checks = isinstance(answer, Passed) and answer.principal != "anyone"
    return enter(request, answer)


def _kept(response: HttpResponseBase) -> bytes:
    # What is streamed is as good as too long to be kept.
    return bytes(LARGEST_KEPT + 1) if response.streaming else cast("Any", response).content
