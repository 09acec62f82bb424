"use strict";

const addon = require("./addon.cjs");
const { checked } = require("./error.cjs");
const { noMore, strict } = require("./strict.cjs");

let nativeOf;

/** A clock that stands still until a test moves it. */
class ManualClock {
  #native;

  static {
    nativeOf = (value) => (value !== null && typeof value === "object" && #native in value ? value.#native : undefined);
  }

  constructor(start = new Date("2026-01-01T00:00:00.000Z")) {
    noMore("ManualClock", arguments, 1);
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

strict(ManualClock);

module.exports = { ManualClock, nativeOf };
