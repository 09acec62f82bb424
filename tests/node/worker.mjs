// The program of a thread in worker.test.mjs.

import { parentPort, workerData } from "node:worker_threads";
import { Keywright } from "keywright";

const { place, pepper, task, index, hash } = workerData;
const kw = new Keywright(place, { brand: "liq", pepper, hash, busyTimeout: "5m" });

const tasks = {
  async work() {
    const names = [`kept ${index}`, `revoked ${index}`];
    const [one, two] = await Promise.all(names.map((name) => kw.keys.create({ name })));
    const seen = await Promise.all([kw.verify(one.api_key), kw.verify(two.api_key)]);
    if (!seen.every((it) => it.allowed)) throw new Error("a key just made does not verify");
    await kw.keys.revoke(two.id);
    await kw.close();
    parentPort.postMessage({ kept: one.api_key, revoked: two.api_key });
  },
  async endless() {
    const { api_key } = await kw.keys.create({ name: "CI" });
    parentPort.postMessage("started");
    const hands = Array.from({ length: 4 }, async () => {
      for (;;) await Promise.all([kw.verify(api_key), kw.keys.create({ name: "CI" }), kw.keys.list()]);
    });
    await Promise.all(hands);
  },
};

await tasks[task]();
