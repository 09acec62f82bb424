"""The test app on Django, under WSGI or ASGI with the middleware, or with Django REST framework: as its first argument says."""

import sys

import django
import setup
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import include, path, re_path

kind = sys.argv[1]
kw, given = setup.read_options()
among_others = "path" in given["http"]
middleware = [*(["ManagementMiddleware"] if among_others else []), "HeadersMiddleware" if kind == "drf" else "KeywrightMiddleware"]
principal = given["principal"]
settings.configure(
    SECRET_KEY="a secret of these tests, longer than 32 bytes",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["keywright.django"],
    MIDDLEWARE=[f"keywright.django.middleware.{it}" for it in middleware],
    KEYWRIGHT={**kw, "http": given["http"], "principal": principal and (lambda request: principal)},
    REST_FRAMEWORK={
        "EXCEPTION_HANDLER": "keywright.django.drf.exception_handler",
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
    LOGGING_CONFIG=None,
)
django.setup()


class Failure(Exception):
    """An unexpected error of a handler."""


def told(request):
    if request.path == "/fail":
        return HttpResponse(status=418)
    if request.path == "/crash":
        raise Failure
    if request.path == "/count":
        counted = setup.counted(request.META["QUERY_STRING"].encode())
        return JsonResponse(counted, status=201, headers={"location": "/counted"})
    response = JsonResponse(setup.told(request.keywright))
    if request.path == "/own":
        response["cache-control"] = "private"
        response["vary"] = "accept"
    if request.method == "HEAD":
        response.content = b""
    return response


def view(request, rest):
    return told(request)


async def async_view(request, rest):
    return told(request)


def rest():
    from rest_framework.decorators import api_view, authentication_classes, permission_classes

    from keywright.django.drf import HasScopes, KeyAuthentication

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]

    @api_view(methods)
    @authentication_classes([KeyAuthentication])
    @permission_classes([HasScopes])
    def view(request, rest):
        return told(request._request)

    return view


urlpatterns = [
    *([] if among_others else [path("manage/", include("keywright.django.urls"))]),
    re_path("^(?P<rest>.*)$", rest() if kind == "drf" else async_view if kind == "asgi" else view),
]

if kind == "asgi":
    setup.serve(get_asgi_application())
else:
    setup.serve_wsgi(get_wsgi_application())
