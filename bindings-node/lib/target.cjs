"use strict";

/** The rest of a target below a path, which may have parameters: both have the same segments before it. */
function below(path) {
  const mount = new RegExp(`^(?:/[^/?]*){${path.split("/").filter(Boolean).length}}`);
  return (target) => target.replace(mount, "");
}

module.exports = { below };
