// Asks for a key with a quota until the input ends. A file keeps how often it was admitted, also when the program is killed.
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { Keywright } from "keywright";

const order = JSON.parse(process.argv[2]);
const counter = openSync(order.counter, "r+");
const kw = new Keywright(order.url, {
  brand: "check",
  pepper: process.env.KEYWRIGHT_PEPPER,
  quotas: { all: { amount: order.amount } },
});
await kw.open();
let ends = false;
process.stdin.on("end", () => (ends = true)).resume();
console.log("ready");
const bytes = Buffer.alloc(8);
let admitted = 0n;
while (!ends) {
  for (let asked = 0; asked < order.burst; asked += 1) {
    if (!(await kw.verify(order.text)).allowed) continue;
    admitted += 1n;
    bytes.writeBigUInt64LE(admitted);
    writeSync(counter, bytes, 0, bytes.length, 0);
  }
  await sleep(5);
}
await kw.close();
