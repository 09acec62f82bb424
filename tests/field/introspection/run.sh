#!/usr/bin/env bash
# Token introspection as clients of OAuth ask for it, and keys as the tokens of a FastMCP server.
set -uo pipefail
. "$(dirname "$0")/../area.sh"

python_programs && node_programs || { say "the programs of $area cannot be installed"; exit 1; }

# asked COMMAND...: this client beside a server.
asked() { timeout 300 "$area_python" "$area/served.py" "$@"; }

# with_fastmcp VERSION: a server of another version of FastMCP, in an environment of its own.
with_fastmcp() {
  local folder="$area/.venv/versions/fastmcp-$1"
  if ! [ -f "$folder/.installed" ]; then
    python3 -m venv "$folder" \
      && quiet "$folder/bin/python" -m pip install "fastmcp==$1" httpx2==2.16.2 uvicorn==0.54.0 && touch "$folder/.installed" || return 1
  fi
  timeout 300 "$folder/bin/python" "$area/fastmcp_server.py"
}

for method in client_secret_basic client_secret_post; do
  for client in authlib-requests authlib-httpx fastmcp; do
    check "$client, $method" asked "$area_python" "$area/clients.py" "$client" "$method"
  done
  check "oauth4webapi, $method" asked node "$area/clients.mjs" "$method"
done
check "FastMCP" timeout 300 "$area_python" "$area/fastmcp_server.py"
if [ -n "$FIELD_ALL" ]; then check "FastMCP 3 on SDK 1" with_fastmcp 3.4.11; fi
finish
