// Shows that the event loop of Node turns while a purchase waits, for test_redis_running.py.
import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";

import { Keywright } from "keywright";

const [url, pepper, limiter, key] = process.argv.slice(2);
const kw = new Keywright(url, { brand: "liq", pepper, limits: { all: { rate: 60_000, burst: 10_000 } }, limiter });
await kw.open();
console.log("ready");
await once(process.stdin.resume(), "data");
let decided = false;
const waiting = kw.verify(key).finally(() => (decided = true));
await turn();
console.log(decided ? "stood still" : "turned");
const decision = await waiting;
console.log(decision.allowed ? "allowed" : "denied");
console.log(decision.limits[0].shared ? "shared" : "alone");
await kw.close();
