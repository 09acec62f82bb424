"use strict";

const { isMainThread } = require("node:worker_threads");

const TASKS = Symbol.for("keywright.exit");

/**
 * Returns the functions to run before the process or the worker exits. All copies of this package share them and their
 * listeners. The functions in `exit` also run after `process.exit`, and cannot wait. Those in `before` run once, when the
 * event loop of the process is empty, and the process waits for them.
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
  // The end of a worker must not end the events of the other threads.
  if (isMainThread) {
    process.once("beforeExit", () => {
      for (const task of before) void task();
    });
  }
  return { exit, before };
}

module.exports = { exitTasks };
