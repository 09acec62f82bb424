#!/usr/bin/env bash
# Servers of WSGI and ASGI, each with an application of each framework: rules judge the path that its router gets.
. "$(dirname "$0")/../area.sh"

python_programs || { say "the programs of this area cannot be installed"; exit 1; }
# Debian installs it in a folder that only root's PATH may contain.
PATH="$PATH:/usr/sbin"
need HAProxy haproxy haproxy -v

paths() { check "paths: $2 behind $1" "$area_python" "$area/paths.py" "$1" "$2"; }

paths gunicorn flask
paths haproxy flask
paths waitress plain_wsgi
paths pyuwsgi django_wsgi
paths uvicorn fastapi
paths hypercorn starlette
paths daphne django_asgi
paths granian litestar
if [ -n "$FIELD_ALL" ]; then
  for app in flask plain_wsgi django_wsgi; do
    for server in gunicorn haproxy waitress pyuwsgi granian; do paths "$server" "$app"; done
  done
  for app in plain_asgi starlette fastapi litestar django_asgi; do
    for server in uvicorn hypercorn daphne granian; do paths "$server" "$app"; done
  done
fi
finish
