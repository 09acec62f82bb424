"use strict";

/** What every error of this package extends: `code` is stable, `field` names the argument at fault, `status` is for HTTP. */
class KeywrightError extends Error {
  constructor({ code, field = null, status, message }) {
    super(message);
    this.code = code;
    this.field = field;
    this.status = status;
  }
}

class InvalidRequest extends KeywrightError {}
class ValidationFailed extends KeywrightError {}
class Forbidden extends KeywrightError {}
class NotFound extends KeywrightError {}
class Conflict extends KeywrightError {}
class InProgress extends KeywrightError {}
class TooLarge extends KeywrightError {}
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
  too_large: TooLarge,
  idempotency_mismatch: IdempotencyMismatch,
  unavailable: Unavailable,
  closed: Closed,
};

const all = { KeywrightError, ...Object.fromEntries(Object.values(classes).map((it) => [it.name, it])), Denied };
for (const it of Object.values(all)) {
  Object.defineProperty(it.prototype, "name", { value: it.name, configurable: true, writable: true });
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
