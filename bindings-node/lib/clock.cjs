"use strict";

const addon = require("./addon.cjs");
const { checked } = require("./error.cjs");
const { noMore, strict } = require("./strict.cjs");

/** The key of the native part of a clock, also for other copies of this package. */
const CLOCK = Symbol.for("keywright.clock");

/** Returns the native part of a clock, or undefined for any other value. */
const nativeOf = (value) => value?.[CLOCK];

/** A clock that stands still until a test moves it. */
class ManualClock {
  constructor(start = new Date("2026-01-01T00:00:00.000Z")) {
    noMore("ManualClock", arguments, 1);
    Object.defineProperty(this, CLOCK, { value: checked(addon.manualClock(start)) });
  }

  now() {
    return new Date(this[CLOCK].now());
  }

  advance(ms) {
    checked(this[CLOCK].advance(ms));
  }

  set(time) {
    checked(this[CLOCK].set(time));
  }
}

strict(ManualClock);

module.exports = { ManualClock, nativeOf };
