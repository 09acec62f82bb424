"use strict";

const { isMainThread } = require("node:worker_threads");

const TASKS = Symbol.for("keywright.exit");

/**
 * Functions to run before the process or the worker exits: sets of them and one listener for all copies of this package.
 * `exit` runs also after `process.exit`, and waits for nothing; what `before` does is waited for, once, where the event loop of
 * the process has nothing left to do.
 */
function exitTasks() {
  if (process[TASKS] === undefined) Object.defineProperty(process, TASKS, { value: listened() });
  return process[TASKS];
}

function listened() {
  const [exit, before] = [new Set(), new Set()];
  process.on("exit", () => {
    for (const task of exit) task();
  });
  // A worker that ends must not end the events of the other threads.
  if (isMainThread) {
    process.once("beforeExit", () => {
      for (const task of before) void task();
    });
  }
  return { exit, before };
}

module.exports = { exitTasks };
