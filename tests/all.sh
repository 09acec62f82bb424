#!/usr/bin/env bash
# Runs every step of tests/run.sh. A failing step hides no other; the exit code says whether all passed.
# A step that hangs fails after 30 minutes: its processes are listed and ended, and the next step begins.
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
most=${STEP_SECONDS:-1800}
passed=0
failed=0
report=""

finish() {
  printf '\n%s\n%d passed, %d failed\n' "$report" "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

# Each job is a process group of its own, so that one signal ends all of it. Unlike jobs without `set -m`, they do not ignore Ctrl-C.
set -m
trap 'kill -- -"$step" -"$watchdog" 2>/dev/null; exit 130' INT TERM

# bounded NAME: runs a step, and ends it when it takes too long.
bounded() {
  local code
  bash tests/run.sh "$1" &
  step=$!
  {
    sleep "$most"
    printf '%s has not ended after %d s; these processes run:\n' "$1" "$most"
    ps --ppid 2 -p 2 --deselect -o pid,ppid,stat,etime,wchan:20,args --forest | cut -c -160
    kill -- -"$step"
    sleep 30
    kill -KILL -- -"$step"
  } 2>/dev/null &
  watchdog=$!
  wait "$step"
  code=$?
  kill -- -"$watchdog" 2>/dev/null
  wait "$watchdog" 2>/dev/null
  return "$code"
}

for name in $(sed -nE "s/^($kinds)_([a-z]*)\(\).*/\2/p" tests/run.sh); do
  started=$SECONDS
  printf '\n== %s\n' "$name"
  if bounded "$name"; then
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
