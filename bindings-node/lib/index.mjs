import keywright from "./index.cjs";

export const {
  Keywright,
  Key,
  NewKey,
  Page,
  OrgRecord,
  AuditEntry,
  AgentUsage,
  Event,
  redacted,
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
} = keywright;
