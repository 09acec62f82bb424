#!/usr/bin/env bash
# Makes the wheel and the crate, and uses the wheel where there is no network. The npm tarball has tests of its own.
set -euo pipefail
. "$(dirname "$0")/setup.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

quiet .venv/bin/maturin build --out "$folder/wheel"
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --no-index "$folder"/wheel/*.whl
(
  cd "$folder"
  venv/bin/python - <<'PYTHON'
from keywright import Keywright

with Keywright("sqlite:python.db", brand="kw", pepper="p" * 32) as kw:
    new = kw.keys.create(name="from the wheel")
    assert kw.verify(new.api_key), "the wheel does not verify its own key"
PYTHON
)
printf 'wheel: installed and used\n'

CARGO_TARGET_DIR="$folder/crate" quiet cargo package --package keywright --allow-dirty --no-verify
tar -tzf "$folder"/crate/package/keywright-*.crate >"$folder/packed"
grep -q '/README.md$' "$folder/packed"
printf 'crate: packed\n'
