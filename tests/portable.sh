#!/usr/bin/env bash
# Runs the tests in Rust with the portable part of core/src/sys, which other systems use, in a build folder of its own.
#
#   bash tests/portable.sh [FILTER]
#
# FILTER is part of the name of a test or a module.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTFLAGS="${RUSTFLAGS-} --cfg keywright_portable"
export CARGO_TARGET_DIR=target/portable
cargo test --quiet --package keywright --features axum,testing --lib --no-fail-fast ${1+-- "$1"}
cargo test --quiet --package keywright-tests --lib --tests --no-fail-fast ${1+-- "$1"}
