// The Node side of the demo: carries out one line of JSON after another on the database it is given.
import { createInterface } from "node:readline";

import { Keywright } from "keywright";

const kw = new Keywright(process.argv[2], { brand: "demo", pepper: process.env.KEYWRIGHT_PEPPER });
const calls = {
  create: async ({ name }) => (await kw.keys.create({ name, scopes: "deals:read" })).reveal(),
  rotate: async ({ id }) => (await kw.keys.rotate(id, { grace: "1h" })).reveal(),
  revoke: ({ id }) => kw.keys.revoke(id),
  verify: ({ text }) => kw.verify(text, { scopes: "deals:read" }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  console.log(JSON.stringify(await calls[order.do](order)));
}
await kw.close();
