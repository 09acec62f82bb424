"use strict";

const { Client } = require("./client.cjs");
const { checked, classOf, settle, ...errors } = require("./error.cjs");
const { Keywright } = require("./keywright.cjs");
const { AgentUsage, AuditEntry, Event, ImportReport, Key, NewKey, OrgRecord, Page } = require("./record.cjs");
const { redacted } = require("./redact.cjs");

module.exports = { Keywright, Client, Key, NewKey, Page, OrgRecord, AuditEntry, AgentUsage, ImportReport, Event, redacted, ...errors };
