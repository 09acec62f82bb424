#!/usr/bin/env bash
# The documents of four products, line by line, beside the examples that replace them.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

[ -x "$python" ] || { tools && python_packages && node_packages && build_python && build_node; } || exit 1
cargo build --quiet --package keywright-tests --example proxy || exit 1
PROXY_EXAMPLE=$(cargo build --quiet --package keywright-tests --example proxy --message-format json | "$python" -c '
import json, sys
print([it["executable"] for it in map(json.loads, sys.stdin) if it.get("target", {}).get("name") == "proxy"][-1])')
export PROXY_EXAMPLE

table=target/seeds.txt
"$python" tests/seeds/check.py lendiq lendworks leadhql proxy >"$table"
code=$?
grep -E 'WRONG|^[a-z]+: ' "$table"
exit "$code"
