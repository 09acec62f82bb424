# Sourced by the scripts beside it: release builds of what they name in `programs`, and the peers. Everything made for them is under target/bench.

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$bench/../setup.sh"

work="$PWD/target/bench"
data="$work/data"
figures="$data/figures"
rm -rf "$data"
mkdir -p "$data"

say "Preparing: release builds and the peers ..."
tools && python_packages && node_packages
cargo build --quiet --release --package keywright-tests "${programs[@]/#/--example=}"
built=$(cargo metadata --no-deps --format-version 1 | "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
triple=$(rustc --version --verbose | sed -n 's/^host: //p')
examples="$built/$triple/release/examples"

[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
quiet .venv/bin/maturin build --release --out "$work/wheel"
"$work/venv/bin/python" -m pip install --quiet --requirement "$bench/python/requirements.txt"
"$work/venv/bin/python" -m pip install --quiet --no-index --no-deps --force-reinstall "$work"/wheel/keywright-*.whl

mkdir -p "$work/node"
cp "$bench"/node/{package.json,package-lock.json,.npmrc,main.mjs,hot.mjs,client.mjs,postgres.mjs,limits.mjs,better-auth.mjs,timing.mjs} "$work/node/"
quiet npm run build
npm pack --silent --pack-destination "$work" >/dev/null
(
  cd "$work/node"
  quiet npm ci --ignore-scripts --no-audit --no-fund
  quiet npm install --no-save --offline --ignore-scripts --no-audit --no-fund "$work"/keywright-*.tgz
)

# report SUITE FILE: writes the tables, and prints them instead where the work was cut short.
report() {
  local table=$bench/$2
  if [ -n "${QUICK-}" ]; then table=/dev/stdout; fi
  "$python" "$bench/report.py" "$1" "$figures" >"$table"
  rm -rf "$data"
  say "Written: $table"
}
