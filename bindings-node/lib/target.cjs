"use strict";

/** Returns a function that removes a mount path from a target. The path may have parameters, so segments are counted. */
function below(path) {
  const mount = new RegExp(`^(?:/[^/?]*){${path.split("/").filter(Boolean).length}}`);
  return (target) => target.replace(mount, "");
}

module.exports = { below };
