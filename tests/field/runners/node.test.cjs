// For the runner of Node.

const test = require("node:test");
const { cases } = require("./target/cases.js");

for (const [name, run] of Object.entries(cases)) test(name, run);
