#!/usr/bin/env bash
# Runs one step of the tests, builds what that step needs, and says which parts of it failed.
#
#   bash tests/run.sh STEP [FILTER]
#
# tests/all.sh runs all of these in this order:
#
#   setup      the tools, .venv and node_modules
#   lint       formatters, clippy, ruff, mypy; versions, documents and vectors against what they name; the workflows
#   rust       tests in Rust; FILTER is a folder of tests/rust, or part of the name of a test or a module
#   rustdoc    examples in the documentation of the crate, the guide among them; FILTER is part of a name or a page
#   python     tests in Python, types among them; FILTER is a file (`test_wsgi`) or an expression of `pytest -k`
#   node       tests in Node, types among them; FILTER is a file (`express`) or part of a test's name
#   guide      the programs of README and guide; FILTER is a page (`express`)
#   demo       three languages on one database
#   http       the HTTP vectors through every adapter; FILTER is one of them (`express`)
#   seeds      the documents of four products; FILTER is one of them (`lendiq`)
#   servers    the servers and the proxy that other tests use, and what only PostgreSQL and Redis have; FILTER is an expression of `pytest -k`
#   postgres   contract, vectors and demo on PostgreSQL and behind PgBouncer, as on SQLite; FILTER is a store (`PgBouncer`), a suite
#              (`node`), or --all for every suite on every store
#   element    the page for keys in a real browser
#   checker    changes in three languages at once, and no verification that missed one
#   machines   the same on PostgreSQL while the network, the processes and the server fail
#   losses     acknowledged changes and counted verifications on PostgreSQL, after kills of programs and of the server
#   packages   wheel, crate and tarball
#   audit      licences, origins and duplicates of every crate
#
# tests/all.sh --long adds these, which take as long again:
#
#   portable   tests in Rust with the code for systems that are not Unix; FILTER is part of the name of a test or a module
#   field      other people's servers, proxies, runtimes, bundlers and clients; FILTER is an area (`proxies`), or --all
#   outages    machines with every fault, and losses with a thousand
#   imports    an import of 100,000 rows with broken rows, which is killed three times
#
# and these are selections of steps:
#
#   docs       rustdoc and guide
#   vectors    tests/vectors in three languages; FILTER is a file (`scope`) or the id of a case
set -uo pipefail
. "$(dirname "$0")/setup.sh"

step_setup() { mkdir -p target && tools && python_packages && node_packages; }

step_lint() {
  cargo fmt --all --check \
    && "$bin"/ruff format --quiet --check . \
    && cargo clippy --quiet --workspace --all-targets -- -D warnings \
    && cargo clippy --quiet --package keywright --features cli -- -D warnings \
    && "$bin"/ruff check --quiet . \
    && "$bin"/mypy --strict tests/demo/demo.py tests/readme.py tests/bench/report.py tests/bench/python/timing.py \
      tests/bench/python/hot.py tests/bench/python/requests_of_client.py tests/checker/checker.py tests/checker/limits.py tests/checker/quotas.py tests/checker/machines.py tests/checker/losses.py \
      tests/seeds/check.py tests/http/drive.py tests/http/openapi.py tests/python/program.py \
      tests/packages/metadata.py tests/documents.py tests/schema/validate.py tests/servers/servers.py tests/servers/suites.py \
    && "$python" tests/packages/metadata.py \
    && "$python" tests/documents.py \
    && "$python" tests/schema/validate.py \
    && "$bin"/zizmor --quiet --offline --persona auditor .github
}

# The programs with a test or a module that a filter names, as arguments for cargo: linking each takes a second.
programs_with() {
  local name="(fn|mod) [a-z0-9_]*${1##*::}" program found=1
  grep -rqE "$name" core/src && { printf '%s\n' "--package keywright --features axum,client,postgres,testing,webhooks --lib"; found=0; }
  grep -rqE "$name" tests/model && { printf '%s\n' "--package keywright-model"; found=0; }
  grep -rqE "$name" tests/rust/interpreter tests/rust/site && { printf '%s\n' "--package keywright-tests --lib"; found=0; }
  for program in tests/rust/*/main.rs; do
    program=$(basename "$(dirname "$program")")
    grep -rqE "$name" "tests/rust/$program" && { printf '%s\n' "--package keywright-tests --test $program"; found=0; }
  done
  return "$found"
}

step_rust() {
  local filter=${1-} programs program code=0 said=target/rust-tests.log
  [ -n "$filter" ] || { cargo test --quiet --workspace --all-targets --no-fail-fast; return; }
  [ ! -f "tests/rust/$filter/main.rs" ] || { cargo test --quiet --package keywright-tests --test "$filter"; return; }
  programs=$(programs_with "$filter") || { say "no test or module in Rust is named $filter"; return 2; }
  : >"$said"
  while read -ra program; do
    cargo test --quiet "${program[@]}" -- "$filter" 2>&1 | tee -a "$said" || code=1
  done <<<"$programs"
  grep -q '[1-9][0-9]* passed\|FAILED' "$said" || { say "no test in Rust matches $filter"; code=2; }
  return "$code"
}

step_rustdoc() {
  cargo test --quiet --workspace --doc --features keywright/testing,keywright/axum,keywright/client ${1+-- "$1"} || return 1
  [ -n "${1-}" ] || RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --package keywright --features axum,client,testing
}

step_python() {
  local filter=${1-} file=tests/python/${1-}
  build_python || return 1
  if [ -z "$filter" ]; then "$python" -m pytest -q tests/python
  elif [ -f "${file%.py}.py" ]; then "$python" -m pytest -q "${file%.py}.py"
  else "$python" -m pytest -q tests/python -k "$filter"; fi
}

# node_test FILE... [OPTION...]: shows the failures, and the counts. A test that hangs fails after 10 minutes.
node_test() {
  local said=target/node-tests.log code
  node --test --test-timeout 600000 --test-reporter tap "$@" >"$said" 2>&1
  code=$?
  [ "$code" = 0 ] || grep -A 30 '^ *not ok' "$said"
  tail -n 8 "$said"
  return "$code"
}

step_node() {
  local filter=${1-} file=tests/node/${1-} files
  build_node || return 1
  if [ -z "$filter" ]; then node_test tests/node/*.test.mjs
  elif [ -f "${file%.test.mjs}.test.mjs" ]; then node_test "${file%.test.mjs}.test.mjs"
  else
    mapfile -t files < <(grep -lF -- "$filter" tests/node/*.test.mjs)
    [ "${#files[@]}" != 0 ] || { say "no test in Node is named $filter"; return 2; }
    node_test --test-name-pattern "$filter" "${files[@]}"
  fi
}

step_guide() { need curl curl curl --version && build_python && build_node && with_servers "$python" tests/readme.py "$@"; }
step_demo() { bash tests/demo.sh; }
step_http() { bash tests/http.sh "$@"; }
step_seeds() { bash tests/seeds.sh "$@"; }
step_servers() { build_python && build_node && with_servers "$python" -m pytest -q tests/servers tests/postgres tests/redis ${1+-k "$1"}; }
step_postgres() { build_python && build_node && with_servers "$python" tests/servers/suites.py "$@"; }
step_element() { bash tests/element.sh; }
step_checker() { bash tests/checker.sh; }
step_machines() { bash tests/checker.sh machines "$@"; }
step_losses() { bash tests/checker.sh losses "$@"; }
step_packages() { bash tests/packages.sh; }

# Known vulnerabilities are left out: that list is on the network.
step_audit() { "$bin"/cargo-deny --log-level error check bans licenses sources; }

long_portable() { bash tests/portable.sh "$@"; }
long_field() { bash tests/field.sh "$@"; }
long_outages() { bash tests/checker.sh machines --all && bash tests/checker.sh losses --kills 1000; }
long_imports() { IMPORT_ROWS=100000 cargo test --quiet --package keywright-tests --test cli -- an_import_that_is_killed; }

selected_docs() { step_rustdoc "$@" && step_guide "$@"; }

# In Rust all cases take less than a second once they are built.
selected_vectors() {
  local filter=${1-}
  step_rust vectors::every || return 1
  build_python && "$python" -m pytest -q tests/python/test_vectors.py ${filter:+-k "$filter"} || return 1
  build_node && node_test ${filter:+--test-name-pattern "$filter"} tests/node/vectors.test.mjs
}

step=${1-}
for kind in step long selected; do
  if declare -F "${kind}_$step" >/dev/null; then
    shift
    [ "$step" = setup ] || [ -x "$python" ] || step_setup || exit 1
    "${kind}_$step" "$@"
    exit
  fi
done
sed -n '/^#   bash/,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
exit 2
