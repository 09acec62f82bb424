"use strict";

const { ManualClock } = require("./clock.cjs");

module.exports = { ManualClock };
