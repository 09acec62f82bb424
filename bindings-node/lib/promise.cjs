"use strict";

/** Tells whether a value is a promise, also of another realm: under Jest and vitest, those of the addon are. */
const isPromise = (value) => typeof value?.then === "function";

module.exports = { isPromise };
