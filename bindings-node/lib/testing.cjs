"use strict";

const addon = require("./addon.cjs");
const { ManualClock } = require("./clock.cjs");
const { settle } = require("./error.cjs");
const { engineOf } = require("./keywright.cjs");

/** One case of the hash test vectors. */
function hashCase(op, input) {
  return settle(addon.hashCase(op, input));
}

/** Writes a row as an older release stored it, so that a test can verify its text. */
async function plant(kw, row) {
  settle(await engineOf(kw).engine.plant(row));
}

module.exports = { ManualClock, hashCase, plant };
