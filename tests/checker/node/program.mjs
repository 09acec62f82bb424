// The Node side of checker.sh: verifies and changes keys on the file it is given, and writes down what it saw.
import { appendFileSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

import { Keywright } from "keywright";

const SPAN = 100_000_000;
const LOOK = 2_000_000;
const INTEREST = 1_200_000_000;

const { file, folder, name, base, verifiers, changers, stale } = JSON.parse(process.argv[2], (key, value, context) =>
  key === "base" ? BigInt(value) : value,
);
const kw = new Keywright(`sqlite:${file}`, {
  brand: "check",
  pepper: process.env.KEYWRIGHT_PEPPER,
  busyTimeout: "60s",
});
const announced = join(folder, "announced");
let stopped = false;
let verified = 0;

const now = () => Number(process.hrtime.bigint() - base);
const below = (end) => Math.floor(Math.random() * end);
const write = (thread, kind, lines) => writeFileSync(join(folder, `${thread}.${kind}`), `${lines.join("\n")}\n`);
const hold = () => sleep(150 + below(250));

function add(text, code, start, end) {
  const run = text.runs.at(-1);
  if (run && run[0] === code && end - run[2] <= SPAN) {
    run[1] += 1;
    run[4] = start;
    run[5] = end;
  } else {
    text.runs.push([code, 1, start, end, start, end]);
  }
}

async function verify(thread) {
  const [texts, current, former] = [[], [], []];
  const [from, buffer] = [openSync(announced), Buffer.alloc(1 << 16)];
  let [looked, unread] = [0, ""];
  while (!stopped) {
    if (now() - looked > LOOK) {
      looked = now();
      unread += buffer.toString("latin1", 0, readSync(from, buffer));
      const lines = unread.split("\n");
      unread = lines.pop();
      for (const line of lines) {
        const [name, text] = line.split(" ");
        const made = { name, text, runs: [], revokedSince: undefined, kept: [-stale, ""] };
        texts.push(made);
        current.push(made);
      }
      await turn();
    }
    const ofFormer = current.length === 0 || (former.length > 0 && below(32) === 0);
    const choice = ofFormer ? former : current;
    if (choice.length === 0) {
      await turn();
      continue;
    }
    const place = below(choice.length);
    const text = choice[place];
    const start = now();
    let code = text.kept[1];
    if (start - text.kept[0] >= stale) {
      const decision = await kw.verify(text.text);
      code = decision.allowed ? "allowed" : decision.code;
      text.kept = [start, code];
    }
    add(text, code, start, now());
    verified += 1;
    if (code === "revoked" && !ofFormer) {
      text.revokedSince ??= start;
      if (start - text.revokedSince > INTEREST) {
        current[place] = current.at(-1);
        current.pop();
        former.push(text);
      }
    }
  }
  write(thread, "runs", texts.flatMap((text) => text.runs.map((run) => `${text.name} ${run.join(" ")}`)));
}

class Changer {
  #events = [];
  #count = 0;

  constructor(thread) {
    this.thread = thread;
  }

  async run() {
    await this.create("default");
    while (!stopped) {
      await this.live(below(5));
    }
    write(this.thread, "events", this.#events);
  }

  async live(plan) {
    const [{ keys, orgs }, org] = [kw, this.thread];
    const [id, text] = await this.create(plan === 4 ? org : "default");
    let texts = [text];
    if (plan === 1) {
      for (let left = 1 + below(3); left > 0; left -= 1) {
        await this.change("disable", texts, "disabled", () => keys.disable(id));
        await this.change("enable", texts, "allowed", () => keys.enable(id));
      }
      if (below(2) === 0) {
        await this.change("disable", texts, "disabled", () => keys.disable(id));
      }
    } else if (plan === 2) {
      const made = await this.change("rotate", texts, "revoked", () => keys.rotate(id, { grace: 0 }));
      texts = [await this.noteMade("rotate", now(), made)];
    } else if (plan === 3) {
      const began = now();
      const second = await this.noteMade("rotate", began, await keys.rotate(id, { grace: "1h" }));
      await this.change("end_grace", texts, "revoked", () => keys.endGrace(id));
      texts = [second];
    } else if (plan === 4) {
      texts.push((await this.create(org))[1]);
      await this.change("org.disable", texts, "disabled", () => orgs.disable(org));
      await this.change("org.enable", texts, "allowed", () => orgs.enable(org));
      await this.change("org.revoke_keys", texts, "revoked", () => orgs.revokeKeys(org));
      return;
    }
    await this.change("revoke", texts, "revoked", () => keys.revoke(id));
  }

  async create(org) {
    const began = now();
    const made = await kw.org(org).keys.create({ name: "CI" });
    return [made.id, await this.noteMade("create", began, made)];
  }

  async change(what, texts, code, act) {
    const began = now();
    const done = await act();
    const told = now();
    this.#events.push(...texts.map((text) => `${text} ${what} ${began} ${told} ${code}`));
    await hold();
    return done;
  }

  async noteMade(what, began, made) {
    const told = now();
    const text = `${this.thread}.${this.#count}`;
    this.#count += 1;
    this.#events.push(`${text} ${what} ${began} ${told} allowed`);
    appendFileSync(announced, `${text} ${made.api_key}\n`);
    await hold();
    return text;
  }
}

await kw.open();
const threads = (count, run) => Array.from({ length: count }, (_, n) => run(`${name}-${n}`));
const running = [...threads(verifiers, verify), ...threads(changers, (thread) => new Changer(thread).run())];
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ asked: line, now: now(), verified, hot: null }));
}
stopped = true;
await Promise.all(running);
await kw.close();
