#!/usr/bin/env bash
# Keys that other libraries issue and store. `keywright import` reads their tables, and the texts verify.
set -uo pipefail
. "$(dirname "$0")/../area.sh"

python_programs && node_programs || exit 1

made=$(mktemp -d "$area/node_modules/.made-XXXXXX")
trap 'rm -rf "$made"' EXIT

# imports FILE ARGUMENT...: FILE.texts has the texts of the keys in FILE.
imports() { "$area_python" "$area/check.py" "$@"; }

check "Django makes keys" "$area_python" "$area/django_keys.py" "$made"
for file in dumpdata.json dumpdata.jsonl table.csv table.json; do
  check "djangorestframework-api-key, $file" imports "$made/django-$file" --from djangorestframework-api-key --scopes deals:read
done
check "better-auth makes keys" node "$area/better-auth.mjs" "$made"
for file in table.csv table.jsonl; do
  check "better-auth, $file" imports "$made/better-auth-$file" --from better-auth --org-column referenceId --keep-ids
done
check "prefixed-api-key and bcrypt make keys" node "$area/hashes.mjs" "$made"
check "prefixed-api-key" imports "$made/prefixed.jsonl" --from prefixed-api-key --prefix mycompany
check "bcrypt of Node" imports "$made/bcrypt.csv" --from bcrypt --prefix lw
check "Python makes hashes" "$area_python" "$area/hashes.py" "$made"
check "bcrypt of Python" imports "$made/bcrypt-python.csv" --from bcrypt --format 'lw_{lookup:5-20}_{secret:16-64}' --hashed secret
check "hashes of Python" imports "$made/hashes.jsonl" --from generic --format 'old.{lookup:1-20}.{secret:32}' --hashed text
finish
