"use strict";

const addon = require("./addon.cjs");
const { checked } = require("./error.cjs");

let nativeOf;

/** A clock that stands still until a test moves it. */
class ManualClock {
  #native;

  static {
    nativeOf = (value) => (value !== null && typeof value === "object" && #native in value ? value.#native : undefined);
  }

  constructor(start) {
    this.#native = checked(addon.manualClock(start));
  }

  now() {
    return new Date(this.#native.now());
  }

  advance(ms) {
    checked(this.#native.advance(ms));
  }

  set(time) {
    checked(this.#native.set(time));
  }
}

module.exports = { ManualClock, nativeOf };
