#!/usr/bin/env bash
# Measures what memory answers, in release builds, and writes HOT.md.
# `QUICK=100 hot.sh` does a hundredth of Rust's part, to see it run, and prints the table instead.
set -euo pipefail
. "$(dirname "$0")/prepare.sh"

"$examples/hot" "$data" "$figures/hot"
"$work/venv/bin/python" "$bench/python/hot.py" "$data" "$figures/hot"
node "$work/node/hot.mjs" "$data" "$figures/hot"

table=${QUICK:+/dev/stdout}
"$python" "$bench/report.py" "$data" "$figures" hot >"${table:=$bench/HOT.md}"
rm -rf "$data"
say "Written: $table"
