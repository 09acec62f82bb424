#!/usr/bin/env node
"use strict";

const { newStop, runCli } = require("../lib/addon.cjs");

const stop = newStop();

// The program runs on another thread, so Node receives the signals. A server ends by itself; every other command ends as if
// nobody listened.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    if (!stop.request()) process.kill(process.pid, signal);
  });
}

runCli(["keywright", ...process.argv.slice(2)], stop).then((code) => {
  process.exitCode = code;
});
