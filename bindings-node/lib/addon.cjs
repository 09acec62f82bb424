"use strict";

// The compiled engine: beside this folder where it was built or packed, else a package of its own for the platform.

const { platform, arch } = process;
const places =
  platform === "linux"
    ? [`linux-${arch}-gnu`, `linux-${arch}-musl`]
    : [platform === "win32" ? `win32-${arch}-msvc` : `${platform}-${arch}`];

function load() {
  const causes = [];
  for (const place of places) {
    for (const file of [`../keywright.${place}.node`, `keywright-${place}`]) {
      try {
        return require(file);
      } catch (error) {
        causes.push(error);
      }
    }
  }
  throw new AggregateError(
    causes,
    `keywright has no working addon for ${places.join(" or ")}; ` +
      "install the package for this platform, or run `npm run build` in a checkout",
  );
}

module.exports = load();
