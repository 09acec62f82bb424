#!/usr/bin/env bash
# Builds the test app on Next and sends it the HTTP vectors.
set -uo pipefail
. "$(dirname "$0")/../setup.sh"

# Next bundles a package that is not installed as if it were the host's own code.
place=target/next
installed=$place/node_modules/keywright
rm -rf "$place" && mkdir -p "$installed/bindings-node" \
  && cp -r tests/http/apps/{next,setup.mjs} "$place" && printf '{ "private": true }\n' >"$place/package.json" \
  && cp package.json "$installed" && cp -rl bindings-node/{lib,*.node} "$installed/bindings-node" || exit 1
# The build runs the modules of the routes, which read a set-up.
printf '{"url": "sqlite:build.db", "engine": {"brand": "liq"}, "http": {}, "now": "2026-01-01T00:00:00Z"}\n' >"$place/setup.json"
KEYWRIGHT_SETUP=$PWD/$place/setup.json NEXT_TELEMETRY_DISABLED=1 quiet node_modules/.bin/next build "$place/next" || exit 1
exec "$python" tests/http/drive.py next "$python" tests/http/apps/each.py node tests/http/apps/next_app.mjs
