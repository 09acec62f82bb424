"use strict";

const { types } = require("node:util");
const { isPromise } = require("./promise.cjs");
const { Event } = require("./record.cjs");

/** Reports what a listener throws, or rejects with, as a warning: callers of the engine are not concerned. */
const report = (error) => process.emitWarning(types.isNativeError(error) ? error : String(error));

/** Wraps a listener for the addon, which calls it with the JSON of an event. The addon itself refuses other values. */
function eventCallback(listener) {
  if (typeof listener !== "function") return undefined;
  return (text) => {
    try {
      const returned = listener(new Event(JSON.parse(text)));
      if (isPromise(returned)) returned.then(undefined, report);
    } catch (error) {
      report(error);
    }
  };
}

/** The addon calls this with a line about the database. Clients see nothing of it. */
const warn = (line) => process.emitWarning(line, { type: "KeywrightWarning" });

module.exports = { eventCallback, warn };
