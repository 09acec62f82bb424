#!/usr/bin/env bash
# The image of core/deploy: built and run where a builder of containers works. Elsewhere its step that builds the program runs here.
. "$(dirname "$0")/../area.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
builder=""
for name in podman docker; do
  if "$name" info >/dev/null 2>&1; then builder=$name; break; fi
done

built() { "$builder" build --file core/deploy/Containerfile --tag keywright-test .; }

# The words behind the last RUN that calls cargo, on the committed sources.
installed() {
  local step
  step=$(sed -n 's/^RUN \(cargo .*\)/\1/p' core/deploy/Containerfile)
  mkdir "$folder/source" && git archive HEAD | tar -x -C "$folder/source" \
    && (cd "$folder/source" && CARGO_TARGET_DIR="$OLDPWD/target/field/container" bash -c "${step//\/built/$folder\/built}")
}

# says COMMAND...: the program of the image knows its version.
says() { "$@" --version | grep '^keywright '; }

if [ -n "$builder" ]; then
  check "image by $builder" built
  check "the image runs" says "$builder" run --rm keywright-test
else
  say "no podman and no docker works here: the program is built without an image"
  check "the program of the image" installed
  check "it runs" says "$folder/built/bin/keywright"
fi
finish
