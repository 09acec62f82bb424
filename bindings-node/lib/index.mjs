import keywright from "./index.cjs";

export const {
  Keywright,
  Key,
  NewKey,
  Page,
  OrgRecord,
  AuditEntry,
  redacted,
  KeywrightError,
  InvalidRequest,
  ValidationFailed,
  Forbidden,
  NotFound,
  Conflict,
  InProgress,
  TooLarge,
  IdempotencyMismatch,
  Unavailable,
  Closed,
  Denied,
} = keywright;
