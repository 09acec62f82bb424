"""Django and its REST framework, where vectors over HTTP cannot look: views, commands, checks, mistakes of the host."""

import asyncio
import io
import json
from collections.abc import Iterator
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import django
import pytest
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.utils.encoding import repercent_broken_unicode
from django.views import View

from keywright import Keywright
from keywright.django import KeyRequest, async_engine, engine, get_api_key, requires
from keywright.django.middleware import HeadersMiddleware
from keywright.django.site import site
from keywright.http import AuthContext

PEPPER = "a pepper for these tests, of 32 bytes and more"
MIDDLEWARE = ["keywright.django.middleware.HeadersMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
GUARD = ["keywright.django.middleware.KeywrightMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]

settings.configure(
    SECRET_KEY="a secret of these tests, longer than 32 bytes",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["keywright.django"],
    MIDDLEWARE=MIDDLEWARE,
    LOGGING_CONFIG=None,
    REST_FRAMEWORK={"DEFAULT_THROTTLE_RATES": {"user": "1/day"}, "UNAUTHENTICATED_USER": None},
)
django.setup()

from rest_framework import permissions  # noqa: E402 - its modules read the settings
from rest_framework.authentication import BaseAuthentication  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.throttling import UserRateThrottle  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from keywright.django.drf import HasScopes, KeyAuthentication, KeyThrottle, exception_handler  # noqa: E402


@requires("deals:read", cost=2)
def deals(request: KeyRequest, number: int) -> JsonResponse:
    assert request.api_key is not None
    assert isinstance(request.keywright, AuthContext)
    return JsonResponse({"key": request.api_key.name, "number": 1 // number})


@requires("deals:read")
async def later(request: HttpRequest) -> JsonResponse:
    key = get_api_key(request)
    return JsonResponse({"key": key and key.name})


@method_decorator(requires(), name="dispatch")
class Whole(View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"method": request.method})


@method_decorator(requires("deals:read"), name="dispatch")
class AsyncDispatch(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"method": request.method})


class AsyncMethod(View):
    @method_decorator(requires("deals:read"))
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"method": request.method})


def passed_on(view: Any) -> Any:
    """Another decorator, that knows nothing of coroutines."""

    @wraps(view)
    def outer(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return outer


@method_decorator([passed_on, requires("deals:read"), passed_on], name="dispatch")
class AsyncAmong(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"method": request.method})


class AsyncWhole(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"method": request.method})


class RestMethod(APIView):
    @method_decorator(requires("deals:read"))
    def get(self, request: Request) -> Response:
        return Response({"method": request.method})


def named(request: HttpRequest, name: str) -> JsonResponse:
    return JsonResponse({"name": name})


RUNS: list[str] = []


@requires(idempotent=True)
def made(request: HttpRequest) -> Any:
    RUNS.append(request.path)
    status = 500 if "failed" in request.GET else 201
    if "streamed" in request.GET:
        return StreamingHttpResponse([b"streamed"], status=status)
    return JsonResponse({"got": json.loads(request.body)}, status=status)


@requires(idempotent=True)
async def made_later(request: HttpRequest) -> Any:
    return made.__wrapped__(request)  # type: ignore[attr-defined]


@requires(access="public")
def public(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"key": get_api_key(request)})


def plain(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"key": get_api_key(request) and "some"})


urlpatterns = [
    path("deals/<int:number>", deals),
    path("later", later),
    path("made", made),
    path("made-later", made_later),
    path("whole", Whole.as_view()),
    path("async-dispatch", AsyncDispatch.as_view()),
    path("async-method", AsyncMethod.as_view()),
    path("async-among", AsyncAmong.as_view()),
    path("async-whole", requires("deals:read")(AsyncWhole.as_view())),
    path("rest-method", RestMethod.as_view()),
    path("named/<path:name>", named),
    path("public", public),
    path("plain", plain),
    path("manage/", include("keywright.django.urls")),
]


@pytest.fixture
def described(tmp_path: Path) -> dict[str, Any]:
    return {"url": f"sqlite:{tmp_path}/django.db", "brand": "liq", "pepper": PEPPER}


@pytest.fixture
def client(described: dict[str, Any]) -> Iterator[Client]:
    with override_settings(KEYWRIGHT=described):
        yield Client(raise_request_exception=False)
        engine().close()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_views_say_what_they_need(client: Client) -> None:
    read, none = engine().keys.create(name="CI", scopes="deals:read").api_key, engine().keys.create(name="none").api_key
    found = client.get("/deals/1", headers=bearer(read))
    assert (found.json(), found["vary"], "x-request-id" in found) == (
        {"key": "CI", "number": 1},
        "authorization, api-key, x-api-key",
        True,
    )
    refused = client.get("/deals/1", headers=bearer(none))
    assert (refused.status_code, refused["content-type"]) == (403, "application/problem+json")
    crashed = client.get("/deals/0", headers=bearer(read))
    assert (crashed.status_code, "x-request-id" in crashed) == (500, True)
    assert client.get("/later", headers=bearer(read)).json() == {"key": "CI"}
    assert [client.get("/whole", headers=it).status_code for it in ({}, bearer(none))] == [401, 200]
    assert client.get("/public").json() == {"key": None}
    assert "x-request-id" not in client.get("/plain")
    assert client.get("/nowhere").status_code == 404


def test_async_views_are_served_where_the_loop_is(client: Client) -> None:
    async def run() -> None:
        read = (await async_engine().keys.create(name="CI", scopes="deals:read")).api_key
        asked = AsyncClient()
        assert (await asked.get("/later", headers=bearer(read))).json() == {"key": "CI"}
        assert (await asked.get("/deals/1", headers=bearer(read))).json()["key"] == "CI"
        assert (await asked.get("/later")).status_code == 401
        with override_settings(MIDDLEWARE=GUARD):
            found = await AsyncClient().get("/plain", headers=bearer(read))
            assert (found.json(), "x-request-id" in found) == ({"key": "some"}, True)
            assert (await AsyncClient().get("/plain")).status_code == 401

    asyncio.run(run())


@pytest.mark.parametrize("view", ["deals/1", "later", "async-dispatch", "async-method", "async-among", "async-whole", "rest-method"])
def test_every_form_of_the_decorator_guards_every_form_of_view(client: Client, view: str) -> None:
    """Under WSGI and under ASGI."""
    read, none = engine().keys.create(name="CI", scopes="deals:read").api_key, engine().keys.create(name="none").api_key
    lines: list[dict[str, str]] = [bearer(read), bearer(none), {}]
    assert [client.get(f"/{view}", headers=it).status_code for it in lines] == [200, 403, 401]

    async def run() -> None:
        asked = AsyncClient()
        assert [(await asked.get(f"/{view}", headers=it)).status_code for it in lines] == [200, 403, 401]

    asyncio.run(run())


@pytest.mark.parametrize("name", ["plain", "%C3%A9", "%E2%82%AC", "%F0%9F%94%91", "a%20b", "a%2Fb", "%25C3", "%FF", "a%3Fb", "%E2%82"])
def test_every_path_that_django_routes_is_judged(described: dict[str, Any], name: str) -> None:
    """Django puts its own text in place of what WSGI says of a path."""
    with override_settings(KEYWRIGHT=described, MIDDLEWARE=GUARD):
        client, key = Client(raise_request_exception=False), engine().keys.create(name="CI").api_key
        servers: list[dict[str, Any]] = [{}, {"RAW_URI": f"/named/{name}"}, {"REQUEST_URI": f"http://testserver/named/{name}"}]
        for told in servers:
            found = [client.get(f"/named/{name}", headers=it, **told) for it in ({}, bearer(key))]
            assert [it.status_code for it in found] == [401, 200]
            assert found[1].json()["name"] == repercent_broken_unicode(unquote_to_bytes(name)).decode()

        async def run() -> None:
            asked = AsyncClient()
            found = [(await asked.get(f"/named/{name}", headers=it)).status_code for it in ({}, bearer(key))]
            assert found == [401, 200]

        asyncio.run(run())
        engine().close()


def test_what_is_sent_again_is_done_once(client: Client) -> None:
    key = engine().keys.create(name="CI").api_key

    def asked(path: str, mark: str, data: Any = None, guarded: Any = client) -> Any:
        headers = {**bearer(key), "Idempotency-Key": mark}
        return guarded.post(path, data or {"a": 1}, "application/json", headers=headers)

    async def asked_later(path: str, mark: str) -> Any:
        return await asked(path, mark, None, AsyncClient(raise_request_exception=False))

    for at in ("/made", "/made-later"):
        RUNS.clear()
        found = [asked(at, at) for _ in range(2)]
        assert [(it.status_code, it.json()) for it in found] == [(201, {"got": {"a": 1}})] * 2
        assert [it.headers.get("idempotent-replayed") for it in found] == [None, "true"]
        assert asked(at, at, {"a": 2}).status_code == 422
        assert [asked(f"{at}?streamed", f"{at}-s").status_code for _ in range(2)] == [201, 409]
        assert [asked(f"{at}?failed", f"{at}-f").status_code for _ in range(2)] == [500, 500]
        assert asyncio.run(asked_later(at, at)).headers["idempotent-replayed"] == "true"
        later = [asyncio.run(asked_later(at, f"{at}-async")) for _ in range(2)]
        assert [it.headers.get("idempotent-replayed") for it in later] == [None, "true"]
        assert len(RUNS) == 5
        cut = client.post(at, b"{}", "application/json", headers={**bearer(key), "Idempotency-Key": "cut"}, CONTENT_LENGTH="3")
        assert (cut.status_code, len(RUNS)) == (400, 5)


def test_a_key_needs_no_protection_against_forged_requests(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    key = engine().keys.create(name="CI", scopes="deals:read").api_key
    assert strict.post("/deals/1", headers=bearer(key)).status_code == 200
    assert strict.post("/public").status_code == 403
    assert strict.post("/plain", headers=bearer(key)).status_code == 403
    with override_settings(MIDDLEWARE=GUARD):
        assert Client(enforce_csrf_checks=True).post("/plain", headers=bearer(key)).status_code == 200


def test_the_middleware_guards_by_rules_and_charges_once(described: dict[str, Any]) -> None:
    rules = [{"path": "/plain"}, {"path": "/later"}, {"path": "/deals/{number}"}, {"path": "/public", "access": "public"}]
    limited = {**described, "limits": {"calls": {"rate": 3, "burst": 3}}, "http": {"routes": rules}}
    with override_settings(KEYWRIGHT=limited, MIDDLEWARE=GUARD):
        client = Client()
        new, none = engine().keys.create(name="CI", scopes="deals:read"), engine().keys.create(name="none").api_key
        key = new.api_key
        assert client.get("/public").status_code == 200
        assert [client.get(it, headers=bearer(none)).status_code for it in ("/whole", "/later", "/manage/keys")] == [403] * 3
        assert client.get("/plain").status_code == 401
        assert client.get("/deals/1", headers=bearer(key)).status_code == 200, "the rule takes one, and cost=2 makes it two"
        assert [client.get("/later", headers=bearer(key)).status_code for _ in range(2)] == [200, 429]
        engine().flush()
        found = engine().keys.get(new.id)
        assert (found.usage_count, found.denied_count) == (2, 1)
        engine().close()


def test_management_asks_the_host_and_takes_whole_bodies_only(described: dict[str, Any]) -> None:
    def known(request: HttpRequest) -> Any:
        return {"org": "acme", "may": "keys:manage"} if "x-user" in request.headers else None

    async def known_later(request: HttpRequest) -> Any:
        return known(request)

    for principal in (known, known_later):
        with override_settings(KEYWRIGHT={**described, "principal": principal}):
            client, user, json_type = Client(enforce_csrf_checks=True), {"x-user": "alice"}, "application/json"
            assert client.get("/manage/keys").status_code == 401
            assert client.post("/manage/keys", b'{"name": "CI"}', json_type, headers=user).status_code == 201
            count = len(engine().org("acme").keys.list().data)
            assert client.post("/manage/keys", b'{"name": "CI"}', json_type, headers=user, CONTENT_LENGTH="15").status_code == 400
            assert client.get("/m%61nage/keys", headers=user).status_code == 200, "nothing but the decoded path is known here"
            assert client.get("/manage/keys", headers=user, RAW_URI="/m%61nage/keys").status_code == 404
            assert len(engine().org("acme").keys.list().data) == count
            engine().close()


def test_a_body_that_was_read_before_counts_where_it_was_kept(described: dict[str, Any]) -> None:
    from keywright.django.urls import management

    with override_settings(KEYWRIGHT={**described, "principal": lambda request: {"org": "acme", "may": "keys:manage"}}):

        def request(length: int = 14, **more: Any) -> HttpRequest:
            given: dict[str, Any] = {
                "wsgi.input": io.BytesIO(b'{"name": "CI"}'),
                "CONTENT_LENGTH": str(length),
                "CONTENT_TYPE": "application/json",
                **more,
            }
            return RequestFactory().generic("POST", "/manage/keys", **given)

        kept, gone, short, endless = request(), request(), request(15), request(HTTP_TRANSFER_ENCODING="chunked")
        del endless.environ["CONTENT_LENGTH"]  # type: ignore[attr-defined]
        gone.read()
        for it in (kept, short, endless):
            assert it.body is not None
        answers = [asyncio.run(management(it, "keys")).status_code for it in (request(), kept, gone, short, endless)]
        assert answers == [201, 201, 400, 400, 400]
        engine().close()


def test_an_engine_that_cannot_open_is_unavailable(tmp_path: Path, described: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("")
    with override_settings(KEYWRIGHT={**described, "url": f"sqlite:{tmp_path}/file/keys.db"}):
        found = Client().get("/deals/1", headers=bearer("x"))
        assert (found.status_code, found.json()["code"], found["retry-after"]) == (503, "UNAVAILABLE", "1")


def test_commands_make_and_end_keys(client: Client) -> None:
    def run(*given: str) -> list[str]:
        out = io.StringIO()
        call_command(*given, stdout=out, stderr=io.StringIO())
        return out.getvalue().splitlines()

    shown, text = run("keywright_create", "CI", "--scopes", "deals:read", "--org", "acme", "--expires-in-days", "30")
    id, prefix, name = shown.split("\t")
    assert (name, engine().verify(text, scopes="deals:read").allowed) == ("CI", True)
    assert [it.split("\t")[:3] for it in run("keywright_list", "--org", "acme")] == [[id, prefix, "active"]]
    assert run("keywright_list") == []
    _, renewed = run("keywright_rotate", id, "--org", "acme", "--grace", "0")
    assert (engine().verify(text).code, engine().verify(renewed).allowed) == ("revoked", True)
    assert run("keywright_revoke", id, "--org", "acme", "--reason", "left")[0].split("\t")[2] == "revoked"
    assert run("keywright_list", "--org", "acme") == []
    assert len(run("keywright_list", "--org", "acme", "--status", "all")) == 1
    assert {it.actor for it in engine().org("acme").audit.list()} == {"manage.py"}
    for wrong in (["keywright_revoke", id], ["keywright_create", ""], ["keywright_create", "CI", "--scopes", "deals"]):
        with pytest.raises(CommandError):
            run(*wrong)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_checks_find_what_is_wrong_before_any_request(described: dict[str, Any], tmp_path: Path) -> None:
    def found(**given: Any) -> list[str]:
        with override_settings(**{"KEYWRIGHT": described, **given}):
            told = checks.run_checks(include_deployment_checks=True)
            return sorted(str(it.id) for it in told if str(it.id).startswith("keywright."))

    assert found() == []
    Keywright(**described).close()
    assert found() == [] == found(KEYWRIGHT={**described, "principal": "django.http.HttpRequest", "http": {"realm": "x"}})
    wrong: list[Any] = [None, [], {}, {"url": "mysql:x"}, {**described, "bradn": "x"}, {**described, "http": {"rutes": []}}]
    for given in [*wrong, {**described, "principal": "nowhere.principal"}]:
        assert "keywright.E001" in found(KEYWRIGHT=given), given
    assert found(SECRET_KEY=PEPPER) == found(SECRET_KEY_FALLBACKS=[PEPPER]) == ["keywright.E002"]
    assert found(KEYWRIGHT={**described, "pepper": [PEPPER, PEPPER[::-1].encode()]}, SECRET_KEY=PEPPER[::-1]) == ["keywright.E002"]
    database = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{tmp_path}/django.db"}}
    assert found(DATABASES=database) == ["keywright.E003"]
    assert found(MIDDLEWARE=[]) == ["keywright.W001"]
    assert set(found(KEYWRIGHT={**described, "scopes": ["deals:raed"]})) == {"keywright.E005"}
    assert found(KEYWRIGHT={"url": f"sqlite:{tmp_path}/none.db", "brand": "liq"}) == ["keywright.W002"]
    (tmp_path / "other.db").write_text("this is no database of Keywright, and never was one")
    assert found(KEYWRIGHT={**described, "url": f"sqlite:{tmp_path}/other.db"}) == ["keywright.E004"]
    assert not (tmp_path / "none.db").exists()


def test_wrong_settings_name_what_is_wrong(described: dict[str, Any]) -> None:
    with override_settings(KEYWRIGHT={**described, "http": {"errors": "xml"}}), pytest.raises(ImproperlyConfigured, match="errors"):
        site()


class Staff(BaseAuthentication):
    def authenticate(self, request: Request) -> Any:
        return ("staff", None) if "x-staff" in request.headers else None


class Resource(APIView):
    authentication_classes = (KeyAuthentication, Staff)

    def get(self, request: Request) -> Response:
        org = getattr(request.user, "org", None)
        return Response({"user": str(request.user), "org": org, "key": request.auth and request.auth.key.name})

    def get_exception_handler(self) -> Any:
        return exception_handler

    def throttled(self, request: Request, wait: float) -> NoReturn:
        raise PermissionError


class IsStaff(permissions.BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return str(request.user) == "staff"


def asked(key: str | None = None, staff: bool = False, **of_view: Any) -> Any:
    headers = bearer(key) if key else {}
    request = RequestFactory().get("/", headers=headers | ({"x-staff": "1"} if staff else {}))
    made: Any = type("View", (Resource,), of_view)
    response = made.as_view()(request)
    if hasattr(response, "render"):
        response.render()
    return response


def test_a_decorator_in_the_wrong_place_names_the_right_one() -> None:
    with pytest.raises(TypeError, match=r"Bare is a class; put it around as_view\(\)"):

        @requires()
        class Bare(View):
            pass

    class Methods(View):
        @requires()
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse()

        @requires()
        async def post(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse()

    view = Methods()
    with pytest.raises(TypeError, match=r"not Methods; .* with method_decorator"):
        view.get(HttpRequest())
    with pytest.raises(TypeError, match=r"not Methods; .* with method_decorator"):
        asyncio.run(view.post(HttpRequest()))


def test_rest_framework_judges_a_key_once(described: dict[str, Any]) -> None:
    with override_settings(KEYWRIGHT={**described, "limits": {"calls": {"rate": 60, "burst": 6}}}):
        key = engine().org("acme").keys.create(name="CI", scopes="deals:read")
        needs: dict[str, Any] = {"permission_classes": [HasScopes("deals:read", cost=4)]}
        found = asked(key.api_key, **needs)
        assert json.loads(found.content) == {"user": key.id, "org": "acme", "key": "CI"}
        refused = asked(key.api_key, **needs)
        assert (refused.status_code, refused["content-type"], "retry-after" in refused) == (429, "application/problem+json", True)
        engine().close()


def test_rest_framework_does_once_what_is_sent_again(client: Client) -> None:
    class Made(Resource):
        permission_classes = (HasScopes(idempotent=True),)

        def post(self, request: Request) -> Response:
            RUNS.append("rest")
            return Response({"got": request.data}, status=201)

    key = engine().keys.create(name="CI").api_key
    headers = {**bearer(key), "Idempotency-Key": "rest"}
    RUNS.clear()

    def answered(request: HttpRequest) -> Any:
        response: Any = Made.as_view()(request)
        return response.render() if hasattr(response, "render") else response

    def sent(**more: Any) -> Any:
        request = RequestFactory().post("/", {"a": 1}, "application/json", headers=headers, **more)
        return HeadersMiddleware(answered)(request)

    found = [sent() for _ in range(2)]
    assert [(it.status_code, json.loads(it.content)) for it in found] == [(201, {"got": {"a": 1}})] * 2
    assert [it.headers.get("idempotent-replayed") for it in found] == [None, "true"]
    assert (sent(CONTENT_LENGTH="99").status_code, RUNS) == (400, ["rest"])


def test_rest_framework_combines_permissions_and_closes(client: Client) -> None:
    read, none = engine().keys.create(name="CI", scopes="deals:read").api_key, engine().keys.create(name="none").api_key
    reads: Any = HasScopes("deals:read")
    writes: Any = HasScopes("deals:write")

    def statuses(*listed: Any) -> list[int]:
        def status(**given: Any) -> int:
            return int(asked(permission_classes=listed, **given).status_code)

        return [status(key=read), status(key=none), status(), status(key="x"), status(staff=True)]

    assert statuses(reads) == [200, 403, 401, 401, 403]
    assert statuses(HasScopes) == [200, 200, 401, 401, 403]
    assert statuses(writes) == [403, 403, 401, 401, 403]
    assert statuses(reads | IsStaff) == [200, 403, 401, 401, 200]
    assert statuses(IsStaff | reads) == [200, 403, 401, 401, 200]
    assert statuses(reads & permissions.IsAuthenticated) == [200, 403, 401, 401, 403]
    for wrong in ([reads, writes], [reads | writes], [~reads], [permissions.AllowAny & ~(reads | IsStaff)]):
        with pytest.raises(ImproperlyConfigured):
            asked(read, permission_classes=wrong)
    # Where no key is judged, no scope is had.
    assert asked(read, permission_classes=[reads], authentication_classes=[Staff]).status_code in (401, 403)


def test_rest_framework_answers_in_its_own_form_as_well(client: Client) -> None:
    from rest_framework.views import exception_handler as theirs

    own: dict[str, Any] = {"get_exception_handler": lambda self: theirs, "permission_classes": [HasScopes]}
    for key in (None, "nonsense"):
        refused = asked(key, **own)
        assert (refused.status_code, refused["content-type"]) == (401, "application/json")
        assert refused["www-authenticate"].startswith('Bearer realm="api"')


def test_the_user_of_a_key_has_no_permission_of_django(client: Client) -> None:
    key = engine().keys.create(name="CI")
    seen: list[Any] = []

    class Seeing(permissions.BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            seen.append(request.user)
            return True

    class OfModels(permissions.DjangoModelPermissions):
        def has_permission(self, request: Request, view: Any) -> bool:
            user: Any = request.user
            return bool(user.has_perms(["deals.add_deal"]))

    def status(*listed: Any, **of_view: Any) -> int:
        return int(asked(key.api_key, permission_classes=listed, **of_view).status_code)

    assert status(Seeing) == status(permissions.IsAuthenticated) == status(permissions.IsAuthenticatedOrReadOnly) == 200
    assert status(permissions.IsAdminUser) == status(OfModels) == 403
    (user,) = seen
    assert (user.pk, user.id, user.username, user.get_username(), str(user)) == (key.id,) * 5
    assert (user.is_authenticated, user.is_active, user.is_anonymous, user.is_staff, user.is_superuser) == (True, True, *(False,) * 3)
    assert not any((user.has_perm("deals.view_deal"), user.has_perm("deals.view_deal", object()), user.has_module_perms("deals")))
    assert (user.has_perms(["deals.view_deal"]), user.has_perms([])) == (False, True)
    assert user.get_user_permissions() == user.get_group_permissions() == user.get_all_permissions() == set()

    async def run() -> None:
        assert not await user.ahas_perm("deals.view_deal")
        assert not await user.ahas_perms(["deals.view_deal"])
        assert not await user.ahas_module_perms("deals")
        for given in (user.aget_user_permissions, user.aget_group_permissions, user.aget_all_permissions):
            assert await given() == set()

    asyncio.run(run())
    assert status(Seeing, throttle_classes=[UserRateThrottle]) == 200


def test_a_throttle_leaves_to_a_key_its_own_limits(client: Client) -> None:
    key = engine().keys.create(name="CI").api_key
    throttled: dict[str, Any] = {"throttle_classes": [KeyThrottle]}
    assert [asked(key, **throttled).status_code for _ in range(3)] == [200] * 3
    assert asked(**throttled, permission_classes=[]).status_code == 200
    with pytest.raises(PermissionError):
        asked(**throttled, permission_classes=[])
