#!/usr/bin/env bash
# Measures `keywright serve` beside a bare route, its clients, imports, and how long the program takes to start, in release builds, and
# writes SERVER.md.
# `QUICK=100 server.sh` does a hundredth of the work, to see that everything runs, and prints the tables instead.
set -euo pipefail
programs=(load)
. "$(dirname "$0")/prepare.sh"

need wrk wrk command -v wrk
cargo build --quiet --release --package keywright --features cli --bin keywright
"$work/venv/bin/python" "$bench/program/drive.py" "$data" "$figures" "$built/$triple/release/keywright" "$examples/load" "$work/venv/bin" "$work/node"
report server SERVER.md
