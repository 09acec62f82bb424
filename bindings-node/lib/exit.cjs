"use strict";

const TASKS = Symbol.for("keywright.exit");

/** The functions that run when the process or the worker exits: one set and one listener for all copies of this package. */
function exitTasks() {
  if (process[TASKS] === undefined) {
    Object.defineProperty(process, TASKS, { value: new Set() });
    process.on("exit", () => {
      for (const task of process[TASKS]) task();
    });
  }
  return process[TASKS];
}

module.exports = { exitTasks };
