"use strict";

/** Sets headers of ours on those of a response: `vary` joined to what is there, others where they are not. */
function merge(headers, response, { get, set }) {
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at], headers[at + 1]];
    const theirs = get(response, name);
    if (theirs === undefined || theirs === null) set(response, name, value);
    // A guard in front, or behind, joins the same.
    else if (name === "vary" && !`${theirs}`.includes(value)) set(response, name, `${theirs}, ${value}`);
  }
}

module.exports = { merge };
