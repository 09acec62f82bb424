"""Keywright for Django REST framework: authentication, permission, throttle, and an exception handler for the responses of the contract."""

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
    """Exception for a refused request; ``response`` is the response to send."""

    def __init__(self, response: contract.Response) -> None:
        self.response = response
        self.status_code: int = response.status
        self.detail: Any = response.body.decode("utf-8", "replace")
        with suppress(ValueError):
            # A repeated response may have any body.
            self.detail = json.loads(response.body)
        headers = {name: value.decode() for name, value in response.headers}
        self.auth_header: str | None = headers.get(b"www-authenticate")
        self.wait: int = int(headers.get(b"retry-after", "0"))


class HasScopes(permissions.SingleOperandHolder, permissions.BasePermission):
    """The needs of a view: ``permission_classes = [HasScopes("deals:read", cost=5)]``; see ``Needs``.

    Without any needs, the rule of the path counts. A view has one at most, which may stand beside others in ``&`` and ``|``.
    """

    def __init__(self, scopes: str | list[str] | None = None, **needs: Any) -> None:
        self.needs: contract.Needs = declared(scopes, **needs)

    def __call__(self) -> HasScopes:
        """Returns itself: views call the classes that they list."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        """Tells whether the request was let through with exactly these needs."""
        return vars(request._request).get("_keywright_needs", NotImplemented) is self.needs


class KeyAuthentication(BaseAuthentication):
    """Authenticates a request once, by the ``HasScopes`` of its view. Leaves a request without a key to other authenticators."""

    def authenticate(self, request: Request) -> tuple[KeyUser, contract.AuthContext] | None:
        """Returns the user and the context of a request. Raises ``Refused``."""
        http_request = cast("Any", request)._request
        asked = list(_asked(cast("Any", request).parser_context["view"].get_permissions()))
        if len(asked) > 1:
            raise ImproperlyConfigured("a view has one HasScopes at most: list all scopes in it")
        needs = asked[0].needs if asked else contract.BY_RULE
        answer = decided(http_request, needs)
        enter(http_request, answer)
        if answer is None:
            raise ParseError
        if isinstance(answer, contract.AuthContext):
            http_request._keywright_needs = needs
            return None if answer.principal == "anyone" else (KeyUser(answer), answer)
        refused = Refused(answer)
        if refused.auth_header is not None and "error=" not in refused.auth_header:
            # The request has no credential (RFC 6750, section 3.1).
            http_request._keywright_refusal = answer
            return None
        raise refused

    def authenticate_header(self, request: Request) -> str:
        """Returns the challenge."""
        refusal = getattr(request._request, "_keywright_refusal", None)
        return "Bearer" if refusal is None else Refused(refusal).auth_header or "Bearer"


class KeyThrottle(UserRateThrottle):
    """Replaces ``UserRateThrottle``: the limits of a key have already counted its request."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Tells whether the request may proceed."""
        return (isinstance(request.auth, contract.AuthContext) and request.auth.key is not None) or super().allow_request(request, view)


def exception_handler(exception: Exception, context: dict[str, Any]) -> Any:
    """For ``EXCEPTION_HANDLER``: sends the response of the contract for a refusal, and that of the framework for any other error."""
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
