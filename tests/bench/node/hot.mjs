// Verifications that memory answers, from Node: `hot.mjs DATA FIGURES`. Windows of calls, since one is too short to time.
import { appendFileSync, readFileSync } from "node:fs";

import { Keywright } from "keywright";

const [data, out] = process.argv.slice(2);
const [text] = readFileSync(`${data}/hot.txt`, "utf8").split("\n");
const kw = new Keywright(`sqlite:${data}/hot.db`, { brand: "bench", pepper: "a pepper of the benchmark, of 32 bytes or more" });
const READ = { scopes: "deals:read" };
const CALLS = 20_000;
const WINDOWS = 60;

async function median(run) {
  const spent = [];
  for (let window = 0; window < WINDOWS; window++) {
    const begin = process.hrtime.bigint();
    await run();
    spent.push(Number(process.hrtime.bigint() - begin) / CALLS);
  }
  return spent.sort((a, b) => a - b)[WINDOWS / 2];
}

function figure(what, value, goal) {
  appendFileSync(out, `${JSON.stringify({ language: "Node", what, value, unit: "ns", goal })}\n`);
}

if (!(await kw.verify(text, READ)).allowed) throw new Error("the key is not allowed");
figure(
  "hot `await kw.verify(text, READ)`",
  await median(async () => {
    for (let call = 0; call < CALLS; call++) if (!(await kw.verify(text, READ)).allowed) throw new Error("refused");
  }),
  800,
);
figure(
  "hot, the synchronous part",
  await median(() => {
    for (let call = 0; call < CALLS; call++) kw.verify(text, READ);
  }),
  500,
);
figure(
  "hot, with options written anew",
  await median(async () => {
    for (let call = 0; call < CALLS; call++) await kw.verify(text, { scopes: "deals:read" });
  }),
  null,
);
await kw.close();
