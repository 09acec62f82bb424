"use strict";

/** Checks the options of management. A bare function would be ignored, so it is refused. */
function managing(options = {}, names = ["principal"]) {
  if (typeof options !== "object" || options === null) throw new TypeError("management takes its options in an object: management({ principal })");
  const odd = Object.keys(options).find((name) => !names.includes(name));
  if (odd !== undefined) throw new TypeError(`${odd} is no option of management; it takes ${names.join(", ")}`);
  const { principal } = options;
  if (principal !== undefined && typeof principal !== "function") throw new TypeError("principal must be a function that takes a request");
  return options;
}

module.exports = { managing };
