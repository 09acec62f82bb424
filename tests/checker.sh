#!/usr/bin/env bash
# Looks for a verification in Rust, Python or Node that missed an acknowledged change, and for a request above a shared limit.
# `checker.sh --verifications 20000000 --seconds 7200` looks for longer, `checker.sh --limits --seconds 60` for limits alone.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

tools && python_packages && node_packages && build_python && build_node
cargo build --quiet --package keywright-tests --example checker

programs=(
  rust="cargo run --quiet --package keywright-tests --example checker --"
  python="$python tests/checker/python/program.py"
  node="node tests/checker/node/program.mjs"
)
limited=("${programs[0]}" python="$python tests/checker/python/limits.py" node="node tests/checker/node/limits.mjs")

if [ "${1-}" = --limits ]; then
  shift
  exec "$python" tests/checker/limits.py "$@" "${limited[@]}"
fi
"$python" tests/checker/limits.py "${limited[@]}"
exec "$python" tests/checker/checker.py "$@" "${programs[@]}"
