#!/usr/bin/env bash
# The documents of four products, line by line, beside the examples that replace them.
#
#   bash tests/seeds.sh [lendiq|lendworks|leadhql|proxy]...
set -uo pipefail
. "$(dirname "$0")/setup.sh"

ready && PROXY_EXAMPLE=$(example proxy) || exit 1
export PROXY_EXAMPLE

[ $# != 0 ] || set -- lendiq lendworks leadhql proxy
table=target/seeds.txt
"$python" tests/seeds/check.py lendiq lendworks leadhql proxy >"$table"
code=$?
grep -E 'WRONG|^[a-z]+: ' "$table"
exit "$code"
