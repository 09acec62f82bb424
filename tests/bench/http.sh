#!/usr/bin/env bash
# Measures what a request costs with keys and without, beside peers, in release builds, and writes HTTP.md.
set -euo pipefail
. "$(dirname "$0")/prepare.sh"

cargo build --quiet --release --package keywright-tests --example hello
cp "$bench/http/hello.mjs" "$work/node/"
"$work/venv/bin/python" "$bench/http/drive.py" "$data" "$work/venv/bin/python" "$work/node" "$examples/hello" >"$bench/HTTP.md"
rm -rf "$data"
say "Written: tests/bench/HTTP.md"
