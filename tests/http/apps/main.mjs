// Serves the app that its argument names, with each set-up that a line of the input names, until the next line.

import { createInterface } from "node:readline";
import { close, open } from "./setup.mjs";

let turn = 0;
for await (const path of createInterface(process.stdin)) {
  if (path) {
    open(path);
    turn += 1;
    // Another query makes the app's module anew, and not the framework's.
    await import(`./${process.argv[2]}_app.mjs?${turn}`);
  } else {
    await close();
    console.log("closed");
  }
}
process.exit();
