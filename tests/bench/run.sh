#!/usr/bin/env bash
# Measures Keywright beside its peers, in release builds, and writes RESULTS.md.
# `QUICK=100 run.sh` does a hundredth of the work, to see that everything runs, and prints the tables instead.
set -euo pipefail
programs=(bench gil)
. "$(dirname "$0")/prepare.sh"

say "Rust: fills the files, then measures ..."
"$examples/bench" "$data" "$figures"
say "Python, beside djangorestframework-api-key ..."
"$work/venv/bin/python" "$bench/python/main.py" "$data" "$figures" "$examples/libgil.so" "$examples/bench"
say "Node, beside better-auth ..."
node "$work/node/main.mjs" "$data" "$figures" "$examples/bench"
report results RESULTS.md
