// The Node side of the checker: verifies and changes keys in the database it is given, and writes down what it saw.
import { appendFileSync, existsSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

import { Keywright } from "keywright";

const SPAN = 100_000_000;
const LOOK = 2_000_000;
const INTEREST = 1_200_000_000;
const WRITE = 250_000_000;

// Each outage is reported, and there are many.
process.removeAllListeners("warning");

const order = JSON.parse(process.argv[2]);
const { url, folder, name, verifiers, changers, stale, settings } = order;
const base = BigInt(order.base);
const kw = new Keywright(url, {
  brand: "check",
  pepper: process.env.KEYWRIGHT_PEPPER,
  busyTimeout: settings.busy_timeout,
  maxStaleness: settings.max_staleness,
});
const announced = join(folder, "announced");
let stopped = false;
// The names of the texts that somebody here has verified.
const known = new Set();
const counts = { verified: 0, answered: 0, changed: 0, changing: 0 };

const now = () => Number(process.hrtime.bigint() - base);
const below = (end) => Math.floor(Math.random() * end);
// Holds a state. The least part is held after a stop as well: another program may still verify.
const hold = async () => {
  const [least, most] = order.hold;
  await sleep(least);
  await (stopped || sleep(below(most - least)));
};

// Appends lines at once: they are complete even if the program is killed.
function write(thread, kind, lines) {
  if (lines.length > 0) {
    appendFileSync(join(folder, `${thread}.${kind}`), `${lines.join("\n")}\n`);
  }
}

// Adds a verification to the run of a text, or begins a new one.
function add(text, code, start, end, ended) {
  const { run } = text;
  if (run && run[0] === code && end - run[2] <= SPAN) {
    run[1] += 1;
    run[4] = start;
    run[5] = end;
  } else {
    endRun(text, ended);
    text.run = [code, 1, start, end, start, end];
  }
}

function endRun(text, ended) {
  if (text.run) {
    ended.push(`${text.name} ${text.run.join(" ")}`);
  }
}

async function verify(thread, number) {
  const [texts, current, former] = [[], [], []];
  const [from, buffer] = [openSync(announced), Buffer.alloc(1 << 16)];
  let [looked, wrote, unread, ended] = [0, 0, "", []];
  while (!stopped) {
    if (now() - looked > LOOK) {
      if (order.pause > 0) {
        await sleep(order.pause / 1e6);
      }
      looked = now();
      if (looked - wrote > WRITE) {
        write(thread, "runs", ended);
        [ended, wrote] = [[], looked];
      }
      unread += buffer.toString("latin1", 0, readSync(from, buffer));
      const lines = unread.split("\n");
      unread = lines.pop();
      for (const line of lines) {
        const [name, text] = line.split(" ");
        const made = { name, text, run: undefined, revokedSince: undefined, kept: [-stale, ""] };
        texts.push(made);
        current.push(made);
      }
      await turn();
    }
    const ofFormer = current.length === 0 || (former.length > 0 && below(order.rarely) === 0);
    const choice = ofFormer ? former : current;
    if (choice.length === 0) {
      await turn();
      continue;
    }
    const place = below(choice.length);
    const text = choice[place];
    if (number >= order.scouts && !known.has(text.name)) {
      continue;
    }
    const start = now();
    let code = text.kept[1];
    if (start - text.kept[0] >= stale) {
      const decision = await kw.verify(text.text);
      code = decision.allowed ? "allowed" : decision.code;
      text.kept = [start, code];
    }
    add(text, code, start, now(), ended);
    counts.verified += 1;
    if (code !== "unavailable") {
      counts.answered += 1;
      known.add(text.name);
    }
    if (code === "revoked" && !ofFormer) {
      text.revokedSince ??= start;
      if (start - text.revokedSince > INTEREST) {
        current[place] = current.at(-1);
        current.pop();
        former.push(text);
      }
    }
  }
  for (const text of texts) {
    endRun(text, ended);
  }
  write(thread, "runs", ended);
}

class Changer {
  #count = 0;

  constructor(thread) {
    this.thread = thread;
  }

  async run() {
    await this.create("default");
    while (!stopped) {
      await this.live(order.plans[below(order.plans.length)]);
    }
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
      const rotated = await this.acknowledged(() => keys.rotate(id, { grace: "1h" }));
      const second = await this.noteMade("rotate", began, rotated);
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
    const made = await this.acknowledged(() => kw.org(org).keys.create({ name: "CI" }));
    return [made.id, await this.noteMade("create", began, made)];
  }

  async change(what, texts, code, act) {
    const began = now();
    const note = (told) => write(this.thread, "events", texts.map((text) => `${text} ${what} ${began} ${told} ${code}`));
    // If the program is killed during the change, nobody knows whether it was made.
    note("-");
    const done = await this.acknowledged(act);
    note(now());
    await hold();
    return done;
  }

  // Makes a change. With `retries`, it does so until the change is acknowledged.
  async acknowledged(act) {
    while (existsSync(join(folder, "pause")) && !stopped) {
      await sleep(20);
    }
    counts.changing += 1;
    try {
      for (;;) {
        try {
          return await act();
        } catch (error) {
          if (!order.retries || error.code !== "unavailable") {
            throw error;
          }
          await sleep(50);
        }
      }
    } finally {
      counts.changed += 1;
      counts.changing -= 1;
    }
  }

  async noteMade(what, began, made) {
    const told = now();
    const text = `${this.thread}.${this.#count}`;
    this.#count += 1;
    write(this.thread, "events", [`${text} ${what} ${began} ${told} allowed`]);
    appendFileSync(announced, `${text} ${made.api_key}\n`);
    await hold();
    return text;
  }
}

for (let open = false; !open; ) {
  try {
    await kw.open();
    open = true;
  } catch (error) {
    if (!order.retries || error.code !== "unavailable") {
      throw error;
    }
  }
}
const threads = (count, run) => Array.from({ length: count }, (_, n) => run(`${name}-${n}`, n));
const running = [...threads(verifiers, verify), ...threads(changers, (thread) => new Changer(thread).run())];
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ asked: line, now: now(), hot: null, ...counts }));
}
stopped = true;
await Promise.all(running);
await kw.close();
