#!/usr/bin/env bash
# Looks for a verification in Rust, Python or Node that missed an acknowledged change.
# `checker.sh --verifications 20000000 --seconds 7200` looks for longer.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

tools && python_packages && node_packages && build_python && build_node
cargo build --quiet --package keywright-tests --example checker

exec "$python" tests/checker/checker.py "$@" \
  rust="cargo run --quiet --package keywright-tests --example checker --" \
  python="$python tests/checker/python/program.py" \
  node="node tests/checker/node/program.mjs"
