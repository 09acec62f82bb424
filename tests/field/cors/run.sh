#!/usr/bin/env bash
# Preflights of browsers: with the usual CORS layer in front of the guard they succeed, without one they run no handler.
. "$(dirname "$0")/../area.sh"
python_programs && node_programs || { say "the programs of $area cannot be installed"; exit 1; }

for framework in asgi fastapi litestar flask django drf; do
  check "$framework" timeout 300 "$area_python" "$area/cors.py" "$framework"
done
for framework in express fastify hono nest; do
  check "$framework" timeout 300 node "$area/cors.mjs" "$framework"
done
finish
