#!/usr/bin/env bash
# Runs every HTTP vector against the contract itself and through each adapter, over real sockets, with equal counts.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

ready && axum=$(example axum_app) || exit 1

# Next bundles a package that is not installed as if it were the host's own code.
build_next() {
  local place=target/next installed=target/next/node_modules/keywright
  rm -rf "$place" && mkdir -p "$installed/bindings-node" || return 1
  cp -r tests/http/apps/{next,setup.mjs} "$place" && printf '{ "private": true }\n' >"$place/package.json"
  cp package.json "$installed" && cp -rl bindings-node/{lib,*.node} "$installed/bindings-node"
  # The build runs the modules of the routes, which read a set-up.
  printf '{"url": "sqlite:build.db", "engine": {"brand": "liq"}, "http": {}, "now": "2026-01-01T00:00:00Z"}\n' >"$place/setup.json"
  KEYWRIGHT_SETUP=$PWD/$place/setup.json NEXT_TELEMETRY_DISABLED=1 quiet node_modules/.bin/next build "$place/next"
}

failed=0
drive() { "$python" tests/http/drive.py "$@" || failed=1; }

drive contract
drive asgi "$python" tests/http/apps/asgi_app.py
drive fastapi "$python" tests/http/apps/fastapi_app.py
drive wsgi "$python" tests/http/apps/wsgi_app.py
drive flask "$python" tests/http/apps/flask_app.py
drive django-wsgi "$python" tests/http/apps/django_app.py wsgi
drive django-asgi "$python" tests/http/apps/django_app.py asgi
drive drf "$python" tests/http/apps/django_app.py drf
drive litestar "$python" tests/http/apps/litestar_app.py
drive express node tests/http/apps/express_app.mjs
drive fastify node tests/http/apps/fastify_app.mjs
drive hono node tests/http/apps/hono_app.mjs
drive nest node tests/http/apps/nest_app.mjs
build_next && drive next node tests/http/apps/next_app.mjs || failed=1
drive request node tests/http/apps/request_app.mjs
drive axum "$axum"
# Routes and document agree, also under the requests of schemathesis.
"$python" tests/http/openapi.py || failed=1
exit "$failed"
