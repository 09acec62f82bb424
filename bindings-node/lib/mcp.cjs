"use strict";

const errors = require("@modelcontextprotocol/sdk/server/auth/errors.js");
const { getApiKey, verifying } = require("./mcp-verifier.cjs");

module.exports = { tokenVerifier: verifying(errors), getApiKey };
