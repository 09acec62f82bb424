#!/usr/bin/env bash
# Runs every HTTP vector against the contract itself and through each adapter, over real sockets, with equal counts.
# Routes and document agree, also under the requests of schemathesis. As many run at once as there are cores, the longest first.
#
#   bash tests/http.sh [NAME...]
#
# With names, only these lines of the list below: `http.sh fastapi express`.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

ready && axum=$(example axum_app) || exit 1

openapi="$python tests/http/openapi.py"
drive="$python tests/http/drive.py"
apps=tests/http/apps
names=$(IFS='|'; printf %s "${*:-.*}")
grep -E " ($names)( |\$)" <<END | xargs -r -L 1 -P "$(getconf _NPROCESSORS_ONLN)" env
bash tests/http/next.sh
$openapi spelt
$openapi default
$openapi program
$openapi vectors
$drive drf $python $apps/django_app.py drf
$drive django-asgi $python $apps/django_app.py asgi
$drive django-wsgi $python $apps/django_app.py wsgi
$drive nest node $apps/main.mjs nest
$drive fastapi $python $apps/fastapi_app.py
$drive litestar $python $apps/litestar_app.py
$drive asgi $python $apps/asgi_app.py
$drive wsgi $python $apps/wsgi_app.py
$drive flask $python $apps/flask_app.py
$drive express node $apps/main.mjs express
$drive fastify node $apps/main.mjs fastify
$drive hono node $apps/main.mjs hono
$drive request node $apps/main.mjs request
$drive axum $python $apps/each.py $axum
$drive contract
END
