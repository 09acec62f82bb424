#!/usr/bin/env bash
# Measures Keywright on PostgreSQL beside tokio-postgres and its peers, in release builds, and writes POSTGRES.md.
# `QUICK=100 postgres.sh` does a hundredth of the work, to see that everything runs, and prints the tables instead.
set -euo pipefail
programs=(postgres)
. "$(dirname "$0")/prepare.sh"

with_servers "$python" "$bench/server.py" "$data" "$figures" "$examples/postgres" "$work/venv/bin/python" "$work/node"
report postgres POSTGRES.md
