// Keywright on PostgreSQL from Node, beside better-auth's api-key plugin: `postgres.mjs DATA FIGURES URL RUST`.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { Keywright } from "keywright";

import { peer, postgres } from "./better-auth.mjs";
import { race, share } from "./timing.mjs";

const [data, out, url, program] = process.argv.slice(2);
const texts = readFileSync(`${data}/postgres.txt`, "utf8").trim().split("\n");
const PEER = "better-auth";
/** How many calls are timed at once, so that the reference in another process costs little more than its work. */
const CALLS = 50;

const batches = (all) =>
  Array.from({ length: Math.floor(all.length / CALLS) }, (_, at) => all.slice(at * CALLS, (at + 1) * CALLS));

const each = (call) => async (batch) => {
  for (const text of batch) if (!(await call(text))) return false;
  return true;
};

// So few keys stay in memory that each verification asks the store, also when the texts come again.
const pepper = readFileSync(`${data}/pepper`, "utf8");
const kw = new Keywright(url, { brand: "bench", pepper, keysInMemory: Math.floor(texts.length / 2) });
const other = await peer(postgres("better_auth"), share(1_000_000));
const select = spawn(program, [data, "-", url, "-", "select"], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: select.stdout })[Symbol.asyncIterator]();

await race(out, 8, [
  {
    name: "cold verification",
    call: each(async (text) => (await kw.verify(text)).allowed),
    items: batches(texts),
    times: CALLS,
  },
  {
    name: "the same SELECT by tokio-postgres",
    call: async () => {
      select.stdin.write(`${CALLS}\n`);
      return (await answers.next()).value === "true";
    },
    times: CALLS,
  },
  { name: `cold verification, ${PEER}`, call: each(other.verify), items: batches(other.texts), times: CALLS },
]);
await race(out, 20, [
  { name: "create", call: () => kw.keys.create({ name: "bench" }) },
  { name: `create, ${PEER}`, call: () => other.create("bench") },
]);
select.stdin.end();
await kw.close();
await other.close();
