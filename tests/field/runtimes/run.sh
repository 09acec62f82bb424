#!/usr/bin/env bash
# Runs the adapters under Bun and Deno, which have servers of their own behind the modules of Node.
. "$(dirname "$0")/../area.sh"
node_programs || exit 1
# The scripts of packages are not run, and this one chooses the program for the processor.
bun="$area/node_modules/.bin/bun"
"$bun" --version >/dev/null 2>&1 || (cd "$area/node_modules/bun" && node install.js) || exit 1

for name in express fastify hono hono-own; do
  check "bun $name" timeout 300 "$bun" run "$area/server.mjs" "$name"
  check "deno $name" timeout 300 "$area/node_modules/.bin/deno" run --allow-all --no-lock --node-modules-dir=manual "$area/server.mjs" "$name"
done

finish
