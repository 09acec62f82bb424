// Verifications that memory answers, from Node: `hot.mjs DATA FIGURES`.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { monitorEventLoopDelay } from "node:perf_hooks";

import { Keywright } from "keywright";

import { race, share, write } from "./timing.mjs";

const [data, out] = process.argv.slice(2);
const [text] = readFileSync(`${data}/hot.txt`, "utf8").split("\n");
const kw = new Keywright(`sqlite:${data}/hot.db`, { brand: "bench", pepper: "a pepper of the benchmark, of 32 bytes or more" });
const READ = { scopes: "deals:read" };
/** How many calls are timed at once: one is too short. */
const CALLS = share(20_000);

await kw.verify(text, READ);
await race(out, 3, [
  {
    name: "hot: `await kw.verify(text, READ)`",
    times: CALLS,
    call: async () => {
      for (let call = 0; call < CALLS; call++) if (!(await kw.verify(text, READ)).allowed) return false;
      return true;
    },
  },
  {
    name: 'hot: `await kw.verify(text, { scopes: "deals:read" })`',
    times: CALLS,
    call: async () => {
      for (let call = 0; call < CALLS; call++) if (!(await kw.verify(text, { scopes: "deals:read" })).allowed) return false;
      return true;
    },
  },
  {
    name: "hot: the synchronous part",
    times: CALLS,
    call: () => {
      for (let call = 0; call < CALLS; call++) kw.verify(text, READ);
      return true;
    },
  },
  {
    name: '`createHash("sha256").update(text).digest()`',
    times: CALLS,
    call: () => {
      for (let call = 0; call < CALLS; call++) if (createHash("sha256").update(text).digest().length !== 32) return false;
      return true;
    },
  },
]);
await kw.close();

// A restart with slow keys only: what the hashes themselves take on the cores, and how long the event loop stands still.
const KEYS = share(1_000);
const slow = () => new Keywright(`sqlite:${data}/slow.db`, { brand: "bench" });

/** Does `work` for each item, 16 at a time; returns the milliseconds that all took. */
async function together(items, work) {
  const begin = performance.now();
  const queue = items.values();
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (const item of queue) await work(item);
  }));
  return performance.now() - begin;
}

const texts = [];
let engine = slow();
await together(Array.from({ length: KEYS }), async () => texts.push((await engine.keys.create({ name: "key" })).api_key));
await engine.close();

async function restarted() {
  engine = slow();
  await engine.open();
  const spent = await together(texts, async (text) => {
    if (!(await engine.verify(text)).allowed) throw new Error("refused");
  });
  await engine.close();
  return spent;
}

write(out, "argon2id: each of 1,000 keys after a restart, 16 at once", "ms", [((await restarted()) / KEYS) * availableParallelism()]);
// Once more, since looking at the loop each millisecond takes time of its own.
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await restarted();
delay.disable();
// Above the resolution of 1 ms at which the loop is looked at.
write(out, "argon2id: the longest stall of the event loop meanwhile", "ms", [delay.max / 1e6 - 1]);
