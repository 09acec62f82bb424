// One limit in Redis from Node, beside rate-limiter-flexible: `limits.mjs DATA FIGURES REDIS SOCKET`.

import { readFileSync } from "node:fs";

import { Redis } from "ioredis";
import { Keywright } from "keywright";
import { RateLimiterRedis } from "rate-limiter-flexible";

import { race, share } from "./timing.mjs";

const [data, out, url, socket] = process.argv.slice(2);
const texts = readFileSync(`${data}/limits.txt`, "utf8").trim().split("\n");
const PEER = "rate-limiter-flexible";
const WIDE = 1_000_000_000;
/** How many calls are timed at once: one is too short. */
const CALLS = share(2_000);

const options = { brand: "bench", pepper: "a pepper of the benchmark, of 32 bytes or more" };
const open = (limiter) => new Keywright(`sqlite:${data}/limits.db`, { ...options, limits: { wide: WIDE }, limiter });
const [kw, alone] = [open(url), open("process")];
const client = new Redis({ path: socket });
const peer = new RateLimiterRedis({ storeClient: client, points: WIDE, duration: 60 });

const first = await kw.verify(texts[0]);
if (!first.limits[0].shared) throw new Error("the limit is not shared");
for (const text of texts) await kw.verify(text);

const each = (call, calls) => async () => {
  for (let at = 0; at < calls; at += 1) if (!(await call())) return false;
  return true;
};
await race(out, 5, [
  { name: "a hot key, redis", times: CALLS, call: each(async () => (await kw.verify(texts[0])).allowed, CALLS) },
  { name: "a hot key, process", times: CALLS, call: each(async () => (await alone.verify(texts[0])).allowed, CALLS) },
  {
    name: `a hot key, redis, ${PEER}`,
    times: CALLS,
    call: each(async () => (await peer.consume(texts[0])).remainingPoints >= 0, CALLS),
  },
]);
await race(out, 200, [
  { name: "a slow key, redis", items: texts, call: async (text) => (await kw.verify(text)).allowed },
  { name: `a slow key, redis, ${PEER}`, items: texts, call: async (text) => (await peer.consume(text)).remainingPoints >= 0 },
]);
await kw.close();
await alone.close();
client.disconnect();
