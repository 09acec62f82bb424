#!/usr/bin/env bash
# Bundles a program, deploys the result into an empty folder, and runs it there. The settings are those of the guide's page.
. "$(dirname "$0")/../area.sh"
node_programs || exit 1

root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# project NAME: an application with the guide's configuration files, in which `npx` finds the bundlers.
project() {
  mkdir "$work/$1" && cd "$work/$1" && ln -s "$area/node_modules" node_modules \
    && cp "$area/app.mjs" . \
    && node "$area/guide.mjs" "$root/core/guide/bundling.md" .
}

# runs FOLDER PROGRAM: the program verifies a key in a copy of the folder, without the other files of the project.
runs() {
  mkdir "$work/deployed" && cp -R "$1/." "$work/deployed" && cd "$work/deployed" || return 1
  local said
  said=$(node "$2" 2>&1)
  local code=$?
  cd / && rm -rf "$work/deployed"
  printf '%s\n' "$said"
  [ "$code" = 0 ] && [ "$said" = verified ]
}

# with_package FOLDER: what `npm install --omit=dev` adds to a deployment.
with_package() { mkdir "$1/node_modules" && cp -R "$area/node_modules/keywright" "$1/node_modules"; }

esbuild_external() { project esbuild && node esbuild.mjs && with_package dist && mv dist/app.js dist/app.mjs && runs dist app.mjs; }
esbuild_copy() { project esbuild-copy && node esbuild-copy.mjs && mv dist/app.js dist/app.mjs && runs dist app.mjs; }
webpack_external() { project webpack && npx webpack && with_package dist && runs dist main.js; }
rollup_external() { project rollup && npx rollup --config && with_package dist && mv dist/app.js dist/app.mjs && runs dist app.mjs; }
vite_ssr() { project vite && npx vite build && with_package dist && runs dist app.mjs; }
vite_ssr_unconfigured() {
  project vite-unconfigured && rm vite.config.mjs && npx vite build --ssr app.mjs && with_package dist && runs dist app.mjs
}
ncc() { project ncc && npx ncc build app.mjs --out dist && runs dist index.mjs; }
nft() {
  mkdir "$work/nft" && cp "$area/app.mjs" "$work/nft" && with_package "$work/nft" && cd "$work/nft" \
    && node "$area/trace.mjs" app.mjs traced && runs traced app.mjs
}


# answers PROGRAM PATH: a server that listens on $PORT verifies a key when it is asked.
answers() {
  local said server
  PORT=$("$root/$python" "$root/tests/field/tools/free_port.py")
  export PORT
  HOST=127.0.0.1 HOSTNAME=127.0.0.1 node "$1" >server.log 2>&1 &
  server=$!
  until said=$(curl --silent --max-time 60 "http://127.0.0.1:$PORT$2") || ! kill -0 "$server"; do sleep 0.2; done
  kill "$server"
  wait "$server"
  [ "$said" = verified ] && return 0
  printf '%s\n' "$said"
  cat server.log
  return 1
}

nitro() {
  project nitro && cp -R "$area/nitro/." . && npx nitropack build && mkdir "$work/deployed" \
    && cp -R .output/. "$work/deployed" && cd "$work/deployed" && answers server/index.mjs /
  local code=$?
  cd / && rm -rf "$work/deployed"
  return "$code"
}

# next_standalone BUNDLER: Next is among the packages of this tree, so that the application is built inside it.
next_standalone() {
  local place=target/field/next
  cd "$root" && rm -rf "$place" && mkdir -p "$place" && cp -R "$area/next/." "$place" \
    && printf '{ "private": true, "type": "module" }\n' >"$place/package.json" && with_package "$place" \
    && TRACING_ROOT=$root NEXT_TELEMETRY_DISABLED=1 node_modules/.bin/next build "--$1" "$place" \
    && mkdir "$work/deployed" && cp -R "$place/.next/standalone/." "$work/deployed" \
    && cd "$work/deployed/$place" && answers server.js /keys
  local code=$?
  cd / && rm -rf "$work/deployed"
  return "$code"
}

check "esbuild, package outside" esbuild_external
check "esbuild, addon copied" esbuild_copy
check "webpack" webpack_external
check "rollup" rollup_external
check "vite SSR" vite_ssr
check "vite SSR without configuration" vite_ssr_unconfigured
check "@vercel/ncc" ncc
check "@vercel/nft" nft
check "Nitro" nitro
if [ -n "$FIELD_ALL" ]; then
  check "Next, standalone with webpack" next_standalone webpack
  check "Next, standalone with Turbopack" next_standalone turbopack
fi
finish
