#!/usr/bin/env bash
# Looks for a verification in Rust, Python or Node that missed an acknowledged change, and for a request above a shared limit.
# `checker.sh --verifications 20000000 --seconds 7200` looks for longer, `checker.sh --limits --seconds 60` for limits alone.
# `checker.sh machines` looks on PostgreSQL while the network, the processes and the server fail; with `--all` by every fault.
# `checker.sh quotas --kills 60 --amount 1000000` kills programs that draw on one quota.
# `checker.sh losses` kills the programs and the server, and then counts what is in the database; with `--kills 1000` for longer.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

tools && python_packages && node_packages && build_python && build_node

rust="'$(example checker)'"
programs=(rust="$rust" python="$python tests/checker/python/program.py" node="node tests/checker/node/program.mjs")
limited=(rust="$rust" python="$python tests/checker/python/limits.py" node="node tests/checker/node/limits.mjs")
metered=(rust="$rust" python="$python tests/checker/python/quotas.py" node="node tests/checker/node/quotas.mjs")

case "${1-}" in
  machines) with_servers "$python" tests/checker/machines.py "${programs[@]}" "${@:2}" ;;
  losses) with_servers "$python" tests/checker/losses.py "${@:2}" ;;
  quotas) with_servers "$python" tests/checker/quotas.py "${@:2}" "${metered[@]}" ;;
  --limits) with_servers "$python" tests/checker/limits.py "${@:2}" "${limited[@]}" ;;
  *)
    with_servers "$python" tests/checker/limits.py "${limited[@]}"
    with_servers "$python" tests/checker/quotas.py "${metered[@]}"
    "$python" tests/checker/checker.py "$@" "${programs[@]}"
    ;;
esac
