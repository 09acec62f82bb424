#!/usr/bin/env bash
# Runs every step of tests/run.sh. A failing step hides no other; the exit code says whether all passed.
#
#   bash tests/all.sh [--long]
#
# --long adds the long steps.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

kinds=step
case "${1-}" in
  "") ;;
  --long) kinds='step|long' ;;
  *) printf 'unknown option %s; there is only --long\n' "$1" >&2; exit 2 ;;
esac
passed=0
failed=0
report=""

finish() {
  printf '\n%s\n%d passed, %d failed\n' "$report" "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

for name in $(sed -nE "s/^($kinds)_([a-z]*)\(\).*/\2/p" tests/run.sh); do
  started=$SECONDS
  printf '\n== %s\n' "$name"
  if bash tests/run.sh "$name"; then
    verdict=passed
    passed=$((passed + 1))
  else
    verdict=FAILED
    failed=$((failed + 1))
  fi
  printf -v report '%s%-8s%5d s  %s\n' "$report" "$verdict" "$((SECONDS - started))" "$name"
  printf -- '-- %s: %s, %d s\n' "$name" "$verdict" "$((SECONDS - started))"
  # Without the tools nothing else can run.
  if [ "$name" = setup ] && [ "$failed" != 0 ]; then finish; fi
done
finish
