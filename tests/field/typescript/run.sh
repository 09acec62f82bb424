#!/usr/bin/env bash
# Compiles a program that imports every subpath, in each way in which TypeScript finds modules, with library checks on.
. "$(dirname "$0")/../area.sh"
node_programs || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A project without the optional packages, and one inside this tree, which has them all.
bare=$work/bare full=target/field/typescript
for place in "$bare" "$full"; do
  rm -rf "$place" && mkdir -p "$place/node_modules/@types" && cp "$area/program.ts" "$place" \
    && cp -R "$area/node_modules/keywright" "$place/node_modules" && printf '{ "type": "commonjs" }\n' >"$place/package.json" || exit 1
  for name in @types/node undici-types; do ln -s "$area/node_modules/$name" "$place/node_modules/$name"; done
done

# compiles PLACE VERSION MODULE RESOLUTION: with no fault in the program or in our types; other packages' types may have faults.
compiles() {
  local said
  cd "$1" || return 1
  said=$(node "$area/node_modules/typescript-$2/bin/tsc" --noEmit --strict --target es2022 --lib es2022 --types node --esModuleInterop \
    --experimentalDecorators --skipLibCheck false --module "$3" --moduleResolution "$4" program.ts)
  ! grep -E '^(error|program\.ts|node_modules/keywright)' <<<"$said"
}

# The older versions also have `node10`, which newer ones have dropped.
versions="5.0 5.4 5.9 7"
[ -n "$FIELD_ALL" ] && versions="5.0 5.2 5.4 5.9 6.0 7"
for version in $versions; do
  for way in "commonjs node10" "node16 node16" "nodenext nodenext" "esnext bundler"; do
    case "$version $way" in [67]*node10) continue ;; esac
    read -r module resolution <<<"$way"
    check "TypeScript $version, $resolution" compiles "$bare" "$version" "$module" "$resolution"
    # The optional packages' types change nothing about how modules are found: one resolution is enough by default.
    [ -z "$FIELD_ALL" ] && [ "$resolution" != node16 ] && continue
    check "TypeScript $version, $resolution, with the optional packages" compiles "$full" "$version" "$module" "$resolution"
  done
done
finish
