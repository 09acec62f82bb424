#!/usr/bin/env bash
# Measures the page for keys in a real browser, and writes ELEMENT.md. `ROUNDS=1 element.sh` shows that everything runs, and prints the tables instead.
set -euo pipefail
. "$(dirname "$0")/../setup.sh"

tools && python_packages && node_packages && build_node && browser
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
cat >"$figures" <<END
# Figures of the page for keys

One run of \`bash tests/bench/element.sh\`, $(date -u +%F), $(nproc) cores, $("$CHROMIUM" --version | sed 's/ built.*//'), headless. The first list is that of 100 keys, painted; both
pages get the same answer from the memory of the same server, in turns, each in a profile of its own; the medians of ${ROUNDS:-21} rounds. Tasks are those of the page's main thread.

END
# The tables go to the file, whatever else the tests tell does not.
node --test-reporter tap --test-reporter-destination stderr tests/bench/element.mjs >>"$figures"
if [ -n "${ROUNDS-}" ]; then cat "$figures"; else cp "$figures" tests/bench/ELEMENT.md; fi
