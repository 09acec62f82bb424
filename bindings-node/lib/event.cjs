"use strict";

const { types } = require("node:util");
const { isPromise } = require("./promise.cjs");
const { Event } = require("./record.cjs");

/** What a listener throws, or rejects with, is a warning: it concerns nobody who uses keys. */
const report = (error) => process.emitWarning(types.isNativeError(error) ? error : String(error));

/** What the addon calls with the text of an event; undefined for what is no function, which the addon refuses. */
function heard(listener) {
  if (typeof listener !== "function") return undefined;
  return (text) => {
    try {
      const told = listener(new Event(JSON.parse(text)));
      if (isPromise(told)) told.then(undefined, report);
    } catch (error) {
      report(error);
    }
  };
}

/** The function that the addon calls with a line about the database: clients learn nothing of its trouble. */
const warn = (line) => process.emitWarning(line, { type: "KeywrightWarning" });

module.exports = { heard, warn };
