// Counts how many requests a limit admits in this process, while others ask at the same time.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { Keywright } from "keywright";

const order = JSON.parse(process.argv[2]);
const kw = new Keywright(order.url, {
  brand: "check",
  pepper: process.env.KEYWRIGHT_PEPPER,
  limits: { all: { rate: order.rate, burst: order.burst, when_unreachable: "refuse" } },
  limiter: order.limiter,
});
await kw.open();
const input = createInterface({ input: process.stdin });
console.log("ready");
const [line] = await once(input, "line");
const now = () => process.hrtime.bigint();
const [span, first] = [BigInt(line), now()];
let [admitted, refused] = [0, 0];
while (now() - first < span || (order.pause === 0 && refused === 0)) {
  const { allowed, code } = await kw.verify(order.text);
  if (allowed) admitted += 1;
  if (code === "rate_limited") refused += 1;
  if (order.pause > 0) await sleep(Math.ceil(order.pause / 1e6));
}
console.log(JSON.stringify({ first: Number(first), last: Number(now()), admitted, refused }));
input.close();
await kw.close();
