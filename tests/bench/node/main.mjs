// Keywright and better-auth's api-key plugin from Node, in turns: `main.mjs DATA FIGURES BENCH`.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { Keywright } from "keywright";

import { peer, sqlite } from "./better-auth.mjs";
import { race, share } from "./timing.mjs";

const [data, out, program] = process.argv.slice(2);
const pepper = readFileSync(`${data}/pepper`, "utf8");
const lines = (file) => readFileSync(`${data}/${file}`, "utf8").trim().split("\n");
const strangers = lines("strangers.txt");
const PEER = "better-auth";
/** How many lists are timed at once. */
const LISTS = 5;

for (const count of [100_000, 1_000_000]) {
  const kw = new Keywright(`sqlite:${data}/keys-${count}.db`, { brand: "bench", pepper });
  const other = await peer(sqlite(`${data}/better-auth-${count}.db`), share(count));
  const said = `${count.toLocaleString("en")} keys`;
  const refuse = async (text) => !(await kw.verify(text)).allowed;

  await race(out, 95, [
    { name: `verify, ${said}`, call: async (text) => (await kw.verify(text)).allowed, items: lines(`keys-${count}.txt`) },
    { name: `verify, ${said}, ${PEER}`, call: other.verify, items: other.texts },
    { name: `well-formed text of no key, ${said}`, call: refuse, items: strangers },
    {
      name: `well-formed text of no key, ${said}, ${PEER}`,
      call: other.refuse,
      items: other.texts.map((text) => `${text.slice(0, -1)}y`),
    },
  ]);
  if (count === 100_000) {
    await race(out, 450, [{ name: "malformed text", call: refuse, items: ["nonsense"] }]);
    await race(out, 20, [
      { name: "create", call: () => kw.keys.create({ name: "bench" }) },
      { name: `create, ${PEER}`, call: () => other.create("bench") },
    ]);
    await lists(kw, other);
  }
  await kw.close();
  await other.close();
}

/** Lists beside the core's own in the program `bench`, which gets its turn like every other subject. */
async function lists(kw, other) {
  const core = spawn(program, [data, out, "beside"], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: core.stdout })[Symbol.asyncIterator]();
  const list = async () => {
    for (let time = 0; time < LISTS; time++) if ((await kw.keys.list({ limit: 1_000 })).data.length !== 1_000) return false;
    return true;
  };
  const byCore = async () => {
    core.stdin.write(`${LISTS}\n`);
    return (await answers.next()).value === "true";
  };
  await race(out, 2, [
    { name: "list of 1,000", call: list, times: LISTS },
    { name: "list of 1,000 by the core", call: byCore, times: LISTS },
    { name: `list of 1,000, ${PEER}`, call: async () => (await other.list(1_000)).length === 1_000 },
  ]);
  core.stdin.end();
}
