#!/usr/bin/env bash
# Issues, verifies, rotates and revokes keys from Rust, Python and Node on one database, and prints each step.
#
#   bash tests/demo.sh [--built]
#
# --built says that everything is built.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

if [ "${1-}" != --built ]; then
  say "Preparing (the first time takes a few minutes: everything is built) ..."
  tools && python_packages && node_packages && build_python && build_node
fi
cargo build --quiet --package keywright-tests --example demo

# Node resolves `keywright` to the package around the program.
exec "$python" tests/demo/demo.py \
  rust="cargo run --quiet --package keywright-tests --example demo --" \
  python="$python tests/demo/python/demo.py" \
  node="node tests/demo/node/demo.mjs"
