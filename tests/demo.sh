#!/usr/bin/env bash
# Issues, verifies, rotates and revokes keys from Rust, Python and Node on one SQLite file, and prints each step.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

say "Preparing (the first time takes a few minutes: everything is built) ..."
tools && python_packages && node_packages && build_python && build_node
cargo build --quiet --package keywright-tests --example demo

# Node resolves `keywright` to the package around the program.
exec "$python" tests/demo/demo.py \
  rust="cargo run --quiet --package keywright-tests --example demo --" \
  python="$python tests/demo/python/demo.py" \
  node="node tests/demo/node/demo.mjs"
