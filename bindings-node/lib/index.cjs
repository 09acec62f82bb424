"use strict";

const { checked, settle, ...errors } = require("./error.cjs");
const { Keywright } = require("./keywright.cjs");
const { AuditEntry, Key, NewKey, OrgRecord, Page } = require("./record.cjs");
const { redacted } = require("./redact.cjs");

module.exports = { Keywright, Key, NewKey, Page, OrgRecord, AuditEntry, redacted, ...errors };
