// Keywright and better-auth's api-key plugin from Node, in one process and in turns: `main.mjs DATA OUT`.
import { readFileSync } from "node:fs";

import { Keywright } from "keywright";

import { peer } from "./better-auth.mjs";
import { race, record } from "./timing.mjs";

const [data, out] = process.argv.slice(2);
const pepper = readFileSync(`${data}/pepper`, "utf8");
const lines = (file) => readFileSync(`${data}/${file}`, "utf8").trim().split("\n");
const strangers = lines("strangers.txt");

async function run(subjects, rounds, block) {
  const times = await race(subjects, rounds, block);
  subjects.forEach((subject, index) => record(out, subject, times[index]));
}

const ours = (figure, call, items) => ({ figure, name: "keywright", scheme: "hmac-sha256", call, items });
const theirs = (figure, call, items) => ({ figure, name: "better-auth", scheme: "sha256", call, items });

for (const count of [100_000, 1_000_000]) {
  const kw = new Keywright(`sqlite:${data}/keys-${count}.db`, { brand: "bench", pepper });
  const other = await peer(`${data}/better-auth-${count}.db`, count);
  const verify = async (text) => (await kw.verify(text)).allowed;
  const refuse = async (text) => !(await kw.verify(text)).allowed;

  await run(
    [
      ours(`verify ${count}`, verify, lines(`keys-${count}.txt`)),
      theirs(`verify ${count}`, other.verify, other.texts),
      ours(`unknown ${count}`, refuse, strangers),
      theirs(`unknown ${count}`, other.refuse, other.texts.map((text) => `${text.slice(0, -1)}y`)),
    ],
    40,
    50,
  );
  if (count === 100_000) {
    await run([ours("malformed", refuse, ["nonsense"])], 40, 250);
    const create = (name) => kw.keys.create({ name });
    await run([ours("create", create, ["bench"]), theirs("create", other.create, ["bench"])], 40, 10);
    const list = async (limit) => (await kw.keys.list({ limit })).data.length === limit;
    const listed = async (limit) => (await other.list(limit)).length === limit;
    await run([ours("list", list, [1_000]), theirs("list", listed, [1_000])], 10, 10);
  }
  await kw.close();
  other.close();
}
