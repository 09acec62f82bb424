"use strict";

/** Adds the headers of the contract to a response: appends `vary` to an existing one, and sets any other only if it is absent. */
function merge(headers, response, { get, set }) {
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at], headers[at + 1]];
    const theirs = get(response, name);
    if (theirs === undefined || theirs === null) set(response, name, value);
    // Another guard may have appended the same value.
    else if (name === "vary" && !`${theirs}`.includes(value)) set(response, name, `${theirs}, ${value}`);
  }
}

module.exports = { merge };
