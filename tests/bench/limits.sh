#!/usr/bin/env bash
# Measures limits beside other limiters, in release builds, counts what four programs are admitted, and writes LIMITS.md.
# `QUICK=100 limits.sh` does a hundredth of the work, to see that everything runs, and prints the tables instead.
set -euo pipefail
programs=(limits checker)
. "$(dirname "$0")/prepare.sh"

cargo build --quiet --release --manifest-path "$bench/governor/Cargo.toml" --target-dir "$work/governor"
governor=$(find "$work/governor" -path '*release/limits-of-governor' -type f)
with_servers "$python" "$bench/limiting.py" "$data" "$figures" "$examples" "$governor" "$work/venv/bin/python" "$work/node" "${QUICK:-1}"
report limits LIMITS.md
