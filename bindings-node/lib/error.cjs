"use strict";

/** The names of the classes that an error belongs to, for `instanceof` with the classes of another copy of this package. */
const NAMES = Symbol.for("keywright.error");

/** What every error of this package extends: `code` is stable, `field` names the argument at fault, `status` is for HTTP. */
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

class InvalidRequest extends KeywrightError {}
class ValidationFailed extends KeywrightError {}
class Forbidden extends KeywrightError {}
class NotFound extends KeywrightError {}
class Conflict extends KeywrightError {}
class InProgress extends KeywrightError {}
class IdempotencyMismatch extends KeywrightError {}
class Unavailable extends KeywrightError {}
class Closed extends KeywrightError {}

/** Thrown by `authenticate`; `decision` says the rest. */
class Denied extends KeywrightError {
  constructor(decision) {
    super(decision);
    this.decision = decision;
  }
}

const classes = {
  invalid_request: InvalidRequest,
  validation_failed: ValidationFailed,
  forbidden: Forbidden,
  not_found: NotFound,
  conflict: Conflict,
  in_progress: InProgress,
  idempotency_mismatch: IdempotencyMismatch,
  unavailable: Unavailable,
  closed: Closed,
};

// By names in the source: bundlers that minify rename the classes.
const all = {
  KeywrightError,
  InvalidRequest,
  ValidationFailed,
  Forbidden,
  NotFound,
  Conflict,
  InProgress,
  IdempotencyMismatch,
  Unavailable,
  Closed,
  Denied,
};
for (const [name, Class] of Object.entries(all)) {
  const names = Class === KeywrightError ? [name] : ["KeywrightError", name];
  Object.defineProperties(Class.prototype, {
    name: { value: name, configurable: true, writable: true },
    [NAMES]: { value: names },
  });
}

/** What the addon answered, where that is no failure, which it gives as data. */
function checked(answer) {
  if (answer !== null && typeof answer === "object" && "code" in answer) {
    throw new (classes[answer.code] ?? KeywrightError)(answer);
  }
  return answer;
}

/** A record that the addon answered as JSON. */
function settle(answer) {
  return JSON.parse(checked(answer));
}

module.exports = { ...all, checked, settle };
