#!/usr/bin/env bash
# Session tokens and key sets as JWT libraries make them.
set -uo pipefail
. "$(dirname "$0")/../area.sh"

python_programs && node_programs || exit 1

by_python() { "$area_python" "$area/sign.py" "$1" | "$area_python" "$area/session.py"; }
by_node() { node "$area/sign.mjs" "$1" | "$area_python" "$area/session.py"; }

for library in PyJWT joserfc authlib python-jose jwcrypto; do check "$library" by_python "$library"; done
for library in jose jsonwebtoken; do check "$library" by_node "$library"; done
finish
