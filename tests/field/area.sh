# Each area's run.sh sources this file. It installs the area's pinned programs, runs its cases and counts them.
# FIELD_ALL is not empty when the larger matrix runs.

area=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
. "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"

passed=0
failed=0

# check NAME COMMAND...: one case. Its output is shown only when it fails.
check() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1 </dev/null); then
    passed=$((passed + 1))
    printf 'ok   %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAIL %s\n%s\n' "$name" "$said"
  fi
}

# The last line of every run.sh.
finish() {
  printf '%s: %d passed, %d failed\n' "$(basename "$area")" "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

# Installs requirements.txt of the area into the area's own .venv; PYTHONPATH leads to keywright and the tools of these tests.
# Sets $area_python.
python_programs() {
  area_python="$area/.venv/bin/python"
  export PYTHONPATH="$PWD/bindings-python/python:$PWD/tests/field/tools"
  [ -x "$area_python" ] || python3 -m venv "$area/.venv" || return 1
  [ "$area/.venv/.installed" -nt "$area/requirements.txt" ] && return 0
  quiet "$area_python" -m pip install --requirement "$area/requirements.txt" && touch "$area/.venv/.installed"
}

# Installs package.json of the area, as its lock file pins it, and the packed keywright beside it.
node_programs() {
  if ! [ "$area/node_modules/.package-lock.json" -nt "$area/package-lock.json" ]; then
    (cd "$area" && quiet npm install --no-save --no-audit --no-fund --ignore-scripts) || return 1
    touch "$area/node_modules/.package-lock.json"
  fi
  packed_keywright "$area/node_modules"
}

# packed_keywright FOLDER: unpacks what `npm pack` makes of this tree as FOLDER/keywright.
packed_keywright() {
  local packed=target/field/pack
  rm -rf "$packed" "$1/keywright" && mkdir -p "$packed" "$1/keywright" \
    && quiet npm pack --silent --pack-destination "$packed" \
    && tar -xzf "$packed"/keywright-*.tgz -C "$1/keywright" --strip-components 1
}
