#!/usr/bin/env bash
# Tests the page for keys in a real browser. Pictures of every state are in target/element; two of them are in the guide.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

ready && browser || exit 1
node_modules/.bin/tsc -p bindings-node/console || exit 1
# A file that hangs fails after 20 minutes.
node --test --test-timeout 1200000 --test-concurrency=2 tests/element/*.test.mjs >target/element.log 2>&1
code=$?
[ "$code" = 0 ] || grep -A 30 '^ *not ok' target/element.log
tail -n 8 target/element.log
exit "$code"
