"use strict";

const { checked, settle, ...errors } = require("./error.cjs");
const { Keywright } = require("./keywright.cjs");
const { AgentUsage, AuditEntry, Event, Key, NewKey, OrgRecord, Page } = require("./record.cjs");
const { redacted } = require("./redact.cjs");

module.exports = { Keywright, Key, NewKey, Page, OrgRecord, AuditEntry, AgentUsage, Event, redacted, ...errors };
