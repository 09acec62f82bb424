#!/usr/bin/env node
"use strict";

const { runCli } = require("../lib/addon.cjs");

runCli(["keywright", ...process.argv.slice(2)]).then((code) => {
  process.exitCode = code;
});
