#!/usr/bin/env bash
# Runs Keywright with other people's programs: servers, proxies, runtimes, bundlers, test runners and clients.
#
#   bash tests/field.sh                  one small case per program, with pinned versions
#   bash tests/field.sh --all            the larger matrix as well: several versions of each
#   bash tests/field.sh proxies jwt      only the named areas, each a folder of tests/field
set -uo pipefail
. "$(dirname "$0")/setup.sh"

export FIELD_ALL=""
areas=()
for word in "$@"; do
  case "$word" in
    --all) FIELD_ALL=1 ;;
    -*) say "unknown option $word; there is only --all"; exit 2 ;;
    *) areas+=("$word") ;;
  esac
done
if [ "${#areas[@]}" = 0 ]; then
  for area in tests/field/*/run.sh; do areas+=("$(basename "$(dirname "$area")")"); done
fi
for area in "${areas[@]}"; do
  [ -f "tests/field/$area/run.sh" ] || { say "no area $area in tests/field"; exit 2; }
done

ready || exit 1
failed=0
for area in "${areas[@]}"; do
  printf '\n-- %s\n' "$area"
  bash "tests/field/$area/run.sh" || failed=1
done
exit "$failed"
