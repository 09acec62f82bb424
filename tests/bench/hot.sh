#!/usr/bin/env bash
# Measures what memory answers, in release builds, and writes HOT.md.
# `QUICK=100 hot.sh` does a hundredth of the work, to see that everything runs, and prints the tables instead.
set -euo pipefail
programs=(hot)
. "$(dirname "$0")/prepare.sh"

"$examples/hot" "$data" "$figures"
"$work/venv/bin/python" "$bench/python/hot.py" "$data" "$figures"
node "$work/node/hot.mjs" "$data" "$figures"
report hot HOT.md
