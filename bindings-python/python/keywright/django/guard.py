"""Authenticates requests of Django: their parts for the contract, and a decorator for views."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote_to_bytes

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.encoding import repercent_broken_unicode
from django.views import View

from keywright import Key, environ, scope
from keywright.django.site import declared, site
from keywright.http import BY_RULE, LARGEST_ONCE, AuthContext, Lease, Needs, Response, Target

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

__all__ = [
    "KeyRequest",
    "add_headers",
    "auth_context",
    "body",
    "decided",
    "decided_later",
    "enter",
    "get_api_key",
    "parts",
    "requires",
    "respond",
]

V = TypeVar("V", bound=Callable[..., Any])

_ON_CLASSES = "put it around as_view(), or on a method or dispatch with method_decorator"


class KeyRequest(HttpRequest):
    """The type of a request that was let through, for annotations."""

    keywright: AuthContext
    """The pass of the request."""
    api_key: Key | None
    """The key; None for a session or a public route."""


def requires(scopes: str | list[str] | None = None, **needs: Any) -> Callable[[V], V]:
    """Guards a view, async or not, by its needs: scopes, and the other arguments of ``Needs``. Without any, the rule of its path applies.

    It decorates functions, around ``as_view()``, and with ``method_decorator`` on ``dispatch`` or a method of a class.
    A view that needs a key is exempt from Django's CSRF protection, since no browser sends a key by itself.
    """
    wanted = declared(scopes, **needs)

    def guarding(view: V) -> V:
        if isinstance(view, type):
            raise TypeError(f"requires guards functions, and {view.__name__} is a class; {_ON_CLASSES}")

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            plain = _plain(request)
            refusal = enter(plain, decided(plain, wanted))
            called = async_to_sync(view) if iscoroutinefunction(view) else view
            return called(request, *args, **kwargs) if refusal is None else refusal

        @wraps(view)
        async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            plain = _plain(request)
            refusal = enter(plain, await decided_later(plain, wanted))
            if refusal is not None:
                return refusal
            answer = view(request, *args, **kwargs)
            return await answer if isawaitable(answer) else answer

        found: Any = awaited if _is_awaited(view) else guarded
        if wanted is not BY_RULE and needs.get("access") != "public":
            found.csrf_exempt = True
        return cast("V", found)

    return guarding


def _plain(request: HttpRequest) -> HttpRequest:
    """Returns the request of Django: a method of Django REST framework gets a wrapper around it."""
    plain: object = getattr(request, "_request", request)
    if not isinstance(plain, HttpRequest):
        raise TypeError(f"requires guards functions that get a request first, and not {type(plain).__name__}; {_ON_CLASSES}")
    return plain


def _is_awaited(view: Any) -> bool:
    """Tells whether the caller of a view awaits it. For a bound method from ``method_decorator``, its class decides."""
    layer = view
    while layer is not None:
        owner = getattr(getattr(layer, "func", layer), "__self__", None)
        if isinstance(owner, View):
            return owner.view_is_async
        layer = getattr(layer, "__wrapped__", None)
    return iscoroutinefunction(view)


def get_api_key(request: HttpRequest) -> Key | None:
    """Returns the key of a request; None for a session or a public route."""
    found = auth_context(request)
    return None if found is None else found.key


def auth_context(request: HttpRequest) -> AuthContext | None:
    """Returns the context of a request that an earlier guard let through."""
    found: AuthContext | None = getattr(request, "keywright", None)
    return found


def parts(request: HttpRequest) -> tuple[str, bytes | Target, Any, str | None]:
    """Returns method, target, headers and peer of a request for the contract, with the path by which Django routes."""
    known, path = cast("Any", request), request.path_info
    if isinstance(request, ASGIRequest):
        return scope.parts(known.scope, known.scope["path"].removesuffix(path), path)
    # Django has replaced them by decoded text.
    seen = {name: request.META[name].encode().decode("latin-1") for name in ("PATH_INFO", "SCRIPT_NAME")}
    return environ.parts({**known.environ, **seen}, _decoded)


def _decoded(path: bytes) -> bytes:
    """Decodes a path like Django under WSGI."""
    return repercent_broken_unicode(unquote_to_bytes(path)) or b"/"


def decided(request: HttpRequest, needs: Needs | None) -> AuthContext | Response | None:
    """Authenticates a request. Returns None if its body breaks off."""
    http = site().sync_http
    answer = http.authenticate(*parts(request), needs, auth_context(request))
    if isinstance(answer, Response) or not answer.once:
        return answer
    content = body(request, LARGEST_ONCE)
    return None if content is None else _leased(request, answer, http.once(answer, content))


async def decided_later(request: HttpRequest, needs: Needs | None) -> AuthContext | Response | None:
    """Authenticates a request in async code, like ``decided``."""
    http = site().async_http
    answer = await http.authenticate(*parts(request), needs, auth_context(request))
    if isinstance(answer, Response) or not answer.once:
        return answer
    content = body(request, LARGEST_ONCE)
    return None if content is None else _leased(request, answer, await http.once(answer, content))


def _leased(request: HttpRequest, answer: AuthContext, turn: Lease | Response | None) -> AuthContext | Response:
    if isinstance(turn, Response):
        return turn
    cast("Any", request)._keywright_lease = turn
    return answer


def body(request: HttpRequest, largest: int) -> bytes | None:
    """Returns the body, up to one byte beyond the limit, which a view can read again; None if it breaks off."""
    known = cast("Any", request)
    is_kept = hasattr(request, "_body")
    if known._read_started and not is_kept:
        # Another middleware has read the body, and its content must not be ignored.
        return None
    given = request.META
    if is_kept:
        given = {**given, "wsgi.input": io.BytesIO(request.body), "wsgi.input_terminated": isinstance(request, ASGIRequest)}
    elif isinstance(request, ASGIRequest):
        given = {**given, "wsgi.input": request, "wsgi.input_terminated": True}
    content = environ.body(given, largest)
    if content is not None and not is_kept:
        known._body, known._stream = content, io.BytesIO(content)
    return content


def enter(request: HttpRequest, answer: AuthContext | Response | None) -> HttpResponse | None:
    """Stores the pass on a request, or returns the response to a refused one."""
    known = cast("Any", request)
    found = answer if isinstance(answer, AuthContext) else None
    known.keywright, known.api_key = found, found and found.key
    if answer is None:
        return HttpResponse(status=400)
    return respond(answer) if isinstance(answer, Response) else None


def respond(response: Response) -> HttpResponse:
    """Converts a complete response."""
    headers = {name.decode(): value.decode() for name, value in response.headers}
    answer = HttpResponse(response.body, status=response.status, headers=headers)
    if "content-type" not in headers:
        del answer["content-type"]
    return answer


def add_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    """Adds the headers of the contract to the response of a request that was let through."""
    found = auth_context(request)
    for name, value in () if found is None else found.lacking(response.items()):
        if name == b"vary":
            patch_vary_headers(response, value.decode().split(", "))
        else:
            response[name.decode()] = value.decode()
