#!/usr/bin/env bash
# Builds wheel, source archive, tarball and crate as a release does, checks them with the registries' and others' tools,
# and uses the wheel and the addon where there is no network.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

ready || exit 1

# Apart from other builds: zig compiles C code too, and neither would take what the other made.
export CARGO_TARGET_DIR=$PWD/target/zig PROFILE=dev
target=$(uname -m)-unknown-linux-gnu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# check NAME COMMAND...: shows the output of a check only when it fails.
check() {
  local name=$1
  shift
  if quiet "$@"; then printf 'ok   %s\n' "$name"; else printf 'FAIL %s\n' "$name" && failed=1; fi
}

# programs: installs those that package.json of tests/packages lists.
programs() {
  local place=tests/packages
  [ "$place/node_modules/.package-lock.json" -nt "$place/package-lock.json" ] && return 0
  (cd "$place" && quiet npm install --no-save --no-audit --no-fund --ignore-scripts) && touch "$place/node_modules/.package-lock.json"
}

uses_wheel() {
  python3 -m venv "$folder/venv" && "$folder/venv/bin/python" -m pip install --quiet --no-index "$wheel" || return 1
  (cd "$folder" && venv/bin/python - <<'PYTHON'
from keywright import Keywright, _native

hooks = {"_hash_case", "_plant"} & vars(_native).keys()
assert not hooks, f"the wheel has hooks of the tests: {hooks}"
with Keywright("sqlite:python.db", brand="kw", pepper="p" * 32) as kw:
    new = kw.keys.create(name="from the wheel")
    assert kw.verify(new.api_key), "the wheel does not verify its own key"
PYTHON
  )
}

uses_tarball() {
  (cd "$folder" && printf '{ "private": true }\n' >package.json \
    && npm install --offline --no-audit --no-fund --cache "$folder/cache" "$tarball" \
    && node -e '
const { Keywright } = require("keywright");
(async () => {
  const kw = new Keywright("sqlite:node.db", { brand: "kw", pepper: "p".repeat(32) });
  const made = await kw.keys.create({ name: "from the tarball" });
  if (!(await kw.verify(made.api_key)).allowed) throw new Error("the addon does not verify its own key");
  await kw.close();
})();')
}

# old_enough FILE: the library asks for no newer C library than 2.17.
old_enough() {
  local newest
  newest=$("$python" - "$1" <<'PYTHON'
import re
import sys
from pathlib import Path

found = re.findall(rb"GLIBC_(\d+)\.(\d+)", Path(sys.argv[1]).read_bytes())
print(".".join(map(str, max(tuple(map(int, it)) for it in found))))
PYTHON
  )
  [ "$(printf '%s\n' "$newest" 2.17 | sort -V | tail -n 1)" = 2.17 ] || { say "$1 needs glibc $newest"; return 1; }
}

# The tarball as it is published for one platform: the checkout without other builds, and this addon beside the library.
packs_tarball() {
  local place=$folder/npm
  mkdir -p "$place" && git ls-files -z | xargs -0 cp --parents -t "$place" 2>/dev/null
  cp "$folder/$addon" "$place/bindings-node/" && npm pack --silent --pack-destination "$folder" "$place"
}

packs_crate() {
  cargo package --package keywright --allow-dirty --no-verify || return 1
  tar -tzf "$CARGO_TARGET_DIR"/package/keywright-*.crate | grep '/README.md$' >/dev/null
}

# The addon without the hooks of the tests.
has_no_hooks() {
  node -e '
const addon = require(process.argv[1]);
const hooks = ["hashCase", "panicLater", "panicNow"].filter((name) => name in addon);
if ("plant" in addon.Engine.prototype) hooks.push("plant");
if (hooks.length > 0) throw new Error(`the addon has hooks of the tests: ${hooks}`);' "$1"
}

# carries LIST NAME...: every name is in the list of an archive's files.
carries() {
  local list=$1 name
  shift
  for name in "$@"; do grep -q "$name" <<<"$list" || { say "no $name in the package"; return 1; }; done
}

check "one version, one address" "$python" -m pytest -q -p no:cacheprovider tests/packages

case $(node -p 'process.arch') in arm64) addon=keywright.linux-arm64-gnu.node ;; *) addon=keywright.linux-x64-gnu.node ;; esac
check "wheel for glibc 2.17" bash tests/packages/build.sh wheel "$folder/wheel" "$target" manylinux2014
check "addon for glibc 2.17" bash tests/packages/build.sh addon "$folder" "$target" "$addon"
check "source archive" "$bin"/maturin sdist --out "$folder/wheel"
check "tarball" packs_tarball
wheel=$(echo "$folder"/wheel/*.whl)
tarball=$(echo "$folder"/keywright-*.tgz)

check "the wheel names what it runs on" carries "$wheel" cp310-abi3 manylinux_2_17
check "the addon asks for no newer C library" old_enough "$folder/$addon"
check "the addon has no hooks of the tests" has_no_hooks "$folder/$addon"
check "the wheel has no hooks of the tests, and is used without a network" uses_wheel
check "the tarball is used without a network" uses_tarball
check twine "$bin"/twine check --strict "$folder"/wheel/*
check check-wheel-contents "$bin"/check-wheel-contents "$wheel"
check abi3audit "$bin"/abi3audit --strict "$wheel"
# pyroma takes Markdown for another markup when its type has parameters, and wants addresses that may not be set yet.
skipped=AuthorEmail,ValidREST
grep -q '^repository = "' Cargo.toml || skipped+=,Url
check pyroma "$bin"/pyroma --min 10 --skip-tests "$skipped" "$folder"/wheel/*.tar.gz
check "the guide is in the tarball" carries "$(tar -tzf "$tarball")" core/guide/verification.md CHANGELOG.md LICENSE-MIT SECURITY.md README.md
if programs; then
  check publint tests/packages/node_modules/.bin/publint run "$tarball" --strict
  # The page for keys is a script of browsers, and so an ES module alone.
  check "are the types wrong?" tests/packages/node_modules/.bin/attw "$tarball" --no-emoji --no-definitely-typed --exclude-entrypoints element
else
  failed=1
fi
check crate packs_crate
exit "$failed"
