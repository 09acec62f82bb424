#!/usr/bin/env bash
# Measures what memory answers, in release builds, and writes HOT.md.
set -euo pipefail
. "$(dirname "$0")/prepare.sh"

"$examples/hot" "$data" "$figures/hot"
"$work/venv/bin/python" "$bench/python/hot.py" "$data" "$figures/hot"
node "$work/node/hot.mjs" "$data" "$figures/hot"

"$python" "$bench/report.py" "$data" "$figures" hot >"$bench/HOT.md"
rm -rf "$data"
say "Written: tests/bench/HOT.md"
