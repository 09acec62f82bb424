#!/usr/bin/env bash
# Builds what is published. The release workflow runs it on every platform, tests/packages.sh on this one.
#
#   build.sh wheel OUT TARGET [COMPATIBILITY]   a wheel; for Linux by zig, so that it runs on that compatibility's C library
#   build.sh addon OUT TARGET FILE              the addon of the npm package, under the name of its platform
#   build.sh platforms BUILT NPM                the npm package of each platform from its addon in BUILT, and their names in package.json
set -euo pipefail
. "$(dirname "$0")/../setup.sh"

# cargo's profile; the tests take the quicker one.
profile=${PROFILE:-release}

# The oldest C library that wheels and addons for glibc run on: RHEL 7, and all that is newer.
GLIBC=2.17

release_tools() {
  PATH="$PWD/$bin:$PATH"
  [ -x "$bin/cargo-zigbuild" ] && return
  [ -x "$python" ] || python3 -m venv .venv
  quiet "$python" -m pip install --constraint tests/constraints.txt 'maturin[zig]' cargo-zigbuild
}

wheel() {
  local out=$1 target=$2 zig=()
  [ -z "${3-}" ] || zig=(--zig --compatibility "$3")
  quiet maturin build --profile "$profile" --out "$out" --target "$target" "${zig[@]}"
}

addon() {
  local out=$1 target=$2 file=$3 build=build library
  case "$target" in *-linux-gnu) build=zigbuild target=$target.$GLIBC ;; *-linux-musl) build=zigbuild ;; esac
  # A library that Node loads may not bring a C library of its own.
  case "$target" in *-musl) export RUSTFLAGS="-C target-feature=-crt-static" ;; esac
  quiet cargo "$build" --profile "$profile" --package keywright-node --target "$target"
  local folder=${CARGO_TARGET_DIR:-target}/${target%".$GLIBC"}/${profile/dev/debug}
  for library in "$folder"/{libkeywright_node.so,libkeywright_node.dylib,keywright_node.dll}; do
    if [ -f "$library" ]; then mkdir -p "$out" && cp "$library" "$out/$file"; return; fi
  done
  say "no library in $folder"
  return 1
}

platforms() {
  local built=$1 npm=$2
  node_packages
  node_modules/.bin/napi create-npm-dirs --npm-dir "$npm"
  node_modules/.bin/napi artifacts --npm-dir "$npm" --output-dir "$built"
  node -e '
const { readFileSync, readdirSync, writeFileSync } = require("node:fs");
const root = JSON.parse(readFileSync("package.json", "utf8"));
const platforms = readdirSync(process.argv[1]).sort();
root.optionalDependencies = Object.fromEntries(platforms.map((platform) => [`${root.name}-${platform}`, root.version]));
writeFileSync("package.json", `${JSON.stringify(root, null, 2)}\n`);' "$npm"
}

command=$1
shift
case "$command" in
  wheel | addon) release_tools && "$command" "$@" ;;
  platforms) platforms "$@" ;;
  *) say "unknown: $command"; exit 2 ;;
esac
