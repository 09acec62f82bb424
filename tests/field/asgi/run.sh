#!/usr/bin/env bash
# Servers of ASGI with an application of each framework: WebSockets, and the end of a server.
. "$(dirname "$0")/../area.sh"

python_programs || { say "the programs of this area cannot be installed"; exit 1; }

served() { check "sockets and the end: $2 behind $1" "$area_python" "$area/case.py" "$1" "$2"; }

served uvicorn-websockets fastapi
served uvicorn-wsproto litestar
served hypercorn starlette
served hypercorn-trio fastapi
served granian fastapi
served daphne litestar
if [ -n "$FIELD_ALL" ]; then
  for app in fastapi litestar starlette; do
    for server in uvicorn-websockets uvicorn-wsproto hypercorn granian daphne; do served "$server" "$app"; done
  done
  served hypercorn-trio starlette
fi
finish
