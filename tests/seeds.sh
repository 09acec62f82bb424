#!/usr/bin/env bash
# The documents of four products, line by line, beside the examples that replace them.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

ready && PROXY_EXAMPLE=$(example proxy) || exit 1
export PROXY_EXAMPLE

table=target/seeds.txt
"$python" tests/seeds/check.py lendiq lendworks leadhql proxy >"$table"
code=$?
grep -E 'WRONG|^[a-z]+: ' "$table"
exit "$code"
