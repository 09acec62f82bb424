"""Keywright for Django REST framework: authentication, permission, throttle, and an exception handler with the contract's answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from rest_framework import permissions
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, NotAuthenticated, ParseError
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from rest_framework.views import exception_handler as theirs

from keywright import http as contract
from keywright.django.guard import decided, enter, respond
from keywright.django.site import declared
from keywright.django.user import KeyUser

__all__ = ["HasScopes", "KeyAuthentication", "KeyThrottle", "KeyUser", "Refused", "exception_handler"]


class Refused(APIException):
    """A request that goes no further; ``response`` is its answer."""

    def __init__(self, response: contract.Response) -> None:
        self.response = response
        self.status_code: int = response.status
        self.detail: Any = response.body.decode("utf-8", "replace")
        with suppress(ValueError):
            # An answer that is repeated may be anything.
            self.detail = json.loads(response.body)
        headers = {name: value.decode() for name, value in response.headers}
        self.auth_header: str | None = headers.get(b"www-authenticate")
        self.wait: int = int(headers.get(b"retry-after", "0"))


class HasScopes(permissions.SingleOperandHolder, permissions.BasePermission):
    """What a view needs of a key: ``permission_classes = [HasScopes("deals:read", cost=5)]``; see ``Needs``.

    Without any needs, the rule of the path counts. A view has one at most, which may stand beside others in ``&`` and ``|``.
    """

    def __init__(self, scopes: str | list[str] | None = None, **needs: Any) -> None:
        self.needs: contract.Needs = declared(scopes, **needs)

    def __call__(self) -> HasScopes:
        """The permission itself, since views call what they list."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        """Whether the request was let in by exactly these needs."""
        return vars(request._request).get("_keywright_needs", NotImplemented) is self.needs


class KeyAuthentication(BaseAuthentication):
    """Judges the key of a request by what the view's ``HasScopes`` needs, once. Without a key it leaves the request to others."""

    def authenticate(self, request: Request) -> tuple[KeyUser, contract.Passed] | None:
        """The user and the pass of a request; raises ``Refused``."""
        http_request = cast("Any", request)._request
        asked = list(_asked(cast("Any", request).parser_context["view"].get_permissions()))
        if len(asked) > 1:
            raise ImproperlyConfigured("a view has one HasScopes at most: list all scopes in it")
        needs = asked[0].needs if asked else contract.BY_RULE
        answer = decided(http_request, needs)
        enter(http_request, answer)
        if answer is None:
            raise ParseError
        if isinstance(answer, contract.Passed):
            http_request._keywright_needs = needs
            return None if answer.principal == "anyone" else (KeyUser(answer), answer)
        refused = Refused(answer)
        if refused.auth_header is not None and "error=" not in refused.auth_header:
            # No credential came (RFC 6750, section 3.1).
            http_request._keywright_refusal = answer
            return None
        raise refused

    def authenticate_header(self, request: Request) -> str:
        """The challenge."""
        refusal = getattr(request._request, "_keywright_refusal", None)
        return "Bearer" if refusal is None else Refused(refusal).auth_header or "Bearer"


class KeyThrottle(UserRateThrottle):
    """In place of ``UserRateThrottle``: a request with a key was charged to the limits of that key, and counts no second time."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether the request may go on."""
        return (isinstance(request.auth, contract.Passed) and request.auth.key is not None) or super().allow_request(request, view)


def exception_handler(exception: Exception, context: dict[str, Any]) -> Any:
    """For ``EXCEPTION_HANDLER``: refusals are answered as the contract says, everything else as the framework does."""
    response = exception.response if isinstance(exception, Refused) else None
    if isinstance(exception, NotAuthenticated):
        response = getattr(context["request"]._request, "_keywright_refusal", None)
    return theirs(exception, context) if response is None else respond(response)


def _asked(listed: Any) -> Iterator[HasScopes]:
    for it in listed:
        if isinstance(it, HasScopes):
            yield it
        elif isinstance(it, permissions.AND | permissions.OR):
            yield from _asked(vars(it).values())
        elif isinstance(it, permissions.NOT) and any(_asked(vars(it).values())):
            raise ImproperlyConfigured("HasScopes says what a key must have, and cannot be denied with ~")
