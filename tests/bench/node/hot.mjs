// Verifications that memory answers, from Node: `hot.mjs DATA FIGURES`. Windows of calls, since one is too short to time.
import { appendFileSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";

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

function figure(what, value, goal, unit = "ns") {
  appendFileSync(out, `${JSON.stringify({ language: "Node", what, value, unit, goal })}\n`);
}

/** Does `work` for each item, so many at a time; gives the milliseconds that all took. */
async function together(items, many, work) {
  const begin = performance.now();
  const queue = items.values();
  await Promise.all(Array.from({ length: many }, async () => {
    for (const item of queue) await work(item);
  }));
  return performance.now() - begin;
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

// A restart with slow keys only: what the hashes themselves take on the cores, and how long the event loop stands still.
const KEYS = 1_000;
const slow = () => new Keywright(`sqlite:${data}/slow.db`, { brand: "bench" });
const texts = [];
let engine = slow();
await together(Array.from({ length: KEYS }, (_, it) => it), 16, async (it) => texts.push((await engine.keys.create({ name: `key ${it}` })).api_key));
await engine.close();
async function restarted() {
  engine = slow();
  await engine.open();
  const spent = await together(texts, 16, async (it) => {
    if (!(await engine.verify(it)).allowed) throw new Error("refused");
  });
  await engine.close();
  return spent;
}
const spent = await restarted();
// Once more, since looking at the loop each millisecond takes time of its own.
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await restarted();
delay.disable();
const figures = readFileSync(out, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const argon2 = figures.find((it) => it.what === "argon2id itself, on all cores at once").value;
figure("1,000 argon2id keys after a restart, 16 at once: beside the time of argon2 on the cores", spent / ((argon2 * KEYS) / availableParallelism()), 1.1, "times");
// Above the resolution of 1 ms at which the loop is looked at.
figure("the same: the longest stall of the event loop", delay.max / 1e6 - 1, 5, "ms");
