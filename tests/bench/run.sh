#!/usr/bin/env bash
# Measures Keywright beside its peers, in release builds, and writes RESULTS.md.
set -euo pipefail
. "$(dirname "$0")/prepare.sh"

say "Rust: fills the files, then measures ..."
"$examples/bench" "$data" "$figures/rust"
say "Python, beside djangorestframework-api-key ..."
"$work/venv/bin/python" "$bench/python/main.py" "$data" "$figures/python" "$examples/libgil.so"
say "Node, beside better-auth ..."
node "$work/node/main.mjs" "$data" "$figures/node"

"$python" "$bench/report.py" "$data" "$figures" >"$bench/RESULTS.md"
rm -rf "$data"
say "Written: tests/bench/RESULTS.md"
