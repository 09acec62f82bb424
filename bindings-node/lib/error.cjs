"use strict";

/** Holds the class names of an error, so that `instanceof` works with the classes of another copy of this package. */
const NAMES = Symbol.for("keywright.error");

/** Base class of all errors: `code` is stable, `field` names the argument at fault, `status` is the HTTP status. */
class KeywrightError extends Error {
  constructor({ code, field = null, status, message }) {
    super(message);
    this.code = code;
    this.field = field;
    this.status = status;
  }

  static [Symbol.hasInstance](value) {
    if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
    return Object.hasOwn(this.prototype, NAMES) && value?.[NAMES]?.includes(this.prototype.name) === true;
  }
}

/** Thrown by `authenticate`; `decision` holds the denial. */
class Denied extends KeywrightError {
  constructor(decision) {
    super(decision);
    this.decision = decision;
  }
}

// The one list of the classes. The names are property names, since minifiers rename class declarations.
const errors = {
  KeywrightError,
  InvalidRequest: class extends KeywrightError {},
  ValidationFailed: class extends KeywrightError {},
  Forbidden: class extends KeywrightError {},
  NotFound: class extends KeywrightError {},
  Conflict: class extends KeywrightError {},
  InProgress: class extends KeywrightError {},
  IdempotencyMismatch: class extends KeywrightError {},
  Unavailable: class extends KeywrightError {},
  Closed: class extends KeywrightError {},
  Denied,
};
for (const [name, Class] of Object.entries(errors)) {
  const names = Class === KeywrightError ? [name] : ["KeywrightError", name];
  Object.defineProperties(Class.prototype, {
    name: { value: name, configurable: true, writable: true },
    [NAMES]: { value: names },
  });
}

/** The class of a code: `not_found` is `NotFound`. */
function classOf(code) {
  return errors[code.replace(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase())] ?? KeywrightError;
}

/** Returns the result of an addon call. A failure is an object with a `code`; it is thrown as an error. */
function checked(answer) {
  if (answer !== null && typeof answer === "object" && "code" in answer) {
    throw new (classOf(answer.code))(answer);
  }
  return answer;
}

/** Parses the record that an addon call returned as JSON. */
function settle(answer) {
  return JSON.parse(checked(answer));
}

module.exports = { ...errors, checked, classOf, settle };
