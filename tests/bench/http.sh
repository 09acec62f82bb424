#!/usr/bin/env bash
# Measures what a request costs with keys and without, beside peers, in release builds, and writes HTTP.md.
# `QUICK=100 http.sh` does a hundredth of the work, to see that everything runs, and prints the tables instead.
set -euo pipefail
programs=(hello)
. "$(dirname "$0")/prepare.sh"

cp "$bench/http/hello.mjs" "$work/node/"
"$work/venv/bin/python" "$bench/http/drive.py" "$data" "$figures" "$work/venv/bin/python" "$work/node" "$examples/hello"
report http HTTP.md
