#!/usr/bin/env bash
# Issues, verifies, rotates and revokes keys from Rust, Python and Node on one SQLite file, and says what happened.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

say "Preparing (the first time takes a few minutes: everything is built) ..."
tools && python_packages && node_packages && build_python && build_node
cargo build --quiet --package keywright-tests --example demo

# Node finds `keywright` as the package that the program stands in.
exec "$python" tests/demo/demo.py \
  rust="cargo run --quiet --package keywright-tests --example demo --" \
  python="$python tests/demo/python/demo.py" \
  node="node tests/demo/node/demo.mjs"
