#!/usr/bin/env bash
# Runs an application's tests under the runners that applications use. Some give each file a realm of its own.
. "$(dirname "$0")/../area.sh"
node_programs || exit 1
cd "$area" || exit 1

transforms='{"^.+\\.ts$": ["ts-jest", {"diagnostics": false}]}'
jest() { node node_modules/jest/bin/jest.js --rootDir "$area" --testEnvironment node "$@"; }

check "compile" npx tsc
check "jest" jest --roots "$area/target"
check "jest in one process" jest --roots "$area/target" --runInBand
check "ts-jest" jest --testMatch '**/*.test.ts' --transform "$transforms"
for pool in forks threads; do check "vitest, $pool" npx vitest run --pool "$pool"; done
# These give each file a realm of its own, in which vitest cannot load what Express needs.
for pool in vmForks vmThreads; do check "vitest, $pool" npx vitest run --pool "$pool" --testNamePattern '^(?!.*Express)'; done
check "tsx" npx tsx program.ts
check "ts-node" npx ts-node --transpile-only program.ts
check "node --test" node --test node.test.cjs

finish
