"use strict";

const { types } = require("node:util");
const { InvalidRequest } = require("./error.cjs");

/** Throws for surplus arguments, which were meant to have an effect. `undefined` counts as left out. */
function noMore(name, given, known) {
  for (let index = known; index < given.length; index++) {
    if (given[index] === undefined) continue;
    throw new InvalidRequest({
      code: "invalid_request",
      field: "arguments",
      status: 400,
      message: `arguments: ${name} takes ${known || "none"} and was given more; give named options in one object`,
    });
  }
}

/** Makes every method of a class refuse surplus arguments. An async method rejects. */
function strict(Class) {
  for (const name of Object.getOwnPropertyNames(Class.prototype)) {
    const method = Class.prototype[name];
    if (name === "constructor") continue;
    const known = method.length;
    const isAsync = types.isAsyncFunction(method);
    const wrapped = {
      [name](...given) {
        if (given.length > known) {
          try {
            noMore(name, given, known);
          } catch (error) {
            if (isAsync) return Promise.reject(error);
            throw error;
          }
        }
        return method.apply(this, given);
      },
    };
    Object.defineProperty(Class.prototype, name, { value: wrapped[name] });
  }
}

module.exports = { noMore, strict };
