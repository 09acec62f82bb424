#!/usr/bin/env bash
# The OpenAPI document of management, in two spellings: validators and linters find nothing in it, and clients made from it compile.
. "$(dirname "$0")/../area.sh"
python_programs && node_programs || exit 1

work=$(mktemp -d "$area/node_modules/.made-XXXXXX")
trap 'rm -rf "$work"' EXIT
tool() { local name=$1; shift; "$area/node_modules/.bin/$name" "$@"; }

# compiles FOLDER: strictly, with the types of other packages checked by their own makers.
compiles() { tool tsc --noEmit --strict --skipLibCheck --target es2022 --module esnext --moduleResolution bundler --lib es2022,dom,dom.iterable "$1"/*.ts; }

by_openapi_python_client() {
  PATH="${area_python%/*}:$PATH" openapi-python-client generate --path "$1/keys.json" --meta none --output-path "$1/keys_client" --fail-on-warning \
    && "$area_python" -W error -m compileall -q "$1/keys_client" \
    && (cd "$1" && "$area_python" -c 'from keys_client.api.keys import create_key, rotate_key; from keys_client.models import IssuedKey, NewKey')
}
by_openapi_typescript() {
  mkdir "$1/openapi-typescript" && cp "$area/client.$2.ts" "$1/openapi-typescript/client.ts" \
    && tool openapi-typescript "$1/keys.json" --output "$1/openapi-typescript/keys.ts" && compiles "$1/openapi-typescript"
}
by_hey_api() { tool openapi-ts --input "$1/keys.json" --output "$1/hey-api" --client @hey-api/client-fetch && compiles "$1/hey-api"; }
by_orval() {
  mkdir "$1/orval" && (cd "$1/orval" && tool orval --input "$1/keys.json" --output "$1/orval/keys.ts" --client fetch) && compiles "$1/orval"
}

for spelling in default camel; do
  made=$work/$spelling
  mkdir "$made" && "$area_python" "$area/document.py" "$spelling" >"$made/keys.json" || exit 1
  check "openapi-spec-validator, $spelling" "$area_python" -m openapi_spec_validator "$made/keys.json"
  check "Redocly, $spelling" tool redocly lint --config "$area/redocly.yaml" --max-problems 100 "$made/keys.json"
  check "Spectral, $spelling" tool spectral lint --ruleset "$area/spectral.yaml" --fail-severity warn "$made/keys.json"
  check "openapi-python-client, $spelling" by_openapi_python_client "$made"
  check "openapi-typescript and openapi-fetch, $spelling" by_openapi_typescript "$made" "$spelling"
  check "Hey API, $spelling" by_hey_api "$made"
  check "Orval, $spelling" by_orval "$made"
done
finish
