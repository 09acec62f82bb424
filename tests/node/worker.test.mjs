import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Keywright } from "keywright";
import { PEPPER, url } from "./fixture.mjs";

const program = new URL("./worker.mjs", import.meta.url);

const start = (data) => new Worker(program, { workerData: { pepper: PEPPER, ...data } });
const heard = (worker) => new Promise((done, fail) => worker.once("message", done).once("error", fail));
const ended = (worker) => new Promise((done) => worker.once("exit", done));

test("eight threads make, verify and revoke keys on one file", async (t) => {
  const place = url(t);
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER, busyTimeout: "5m" });
  t.after(() => kw.close());
  const workers = Array.from({ length: 8 }, (_, index) => start({ place, task: "work", index }));
  const ends = workers.map(ended);
  const answers = await Promise.all(workers.map(heard));
  assert.deepEqual(await Promise.all(ends), Array(8).fill(0));
  for (const { kept, revoked } of answers) {
    assert.equal((await kw.verify(kept)).allowed, true);
    assert.equal((await kw.verify(revoked)).code, "revoked");
  }
  assert.equal((await kw.keys.list({ status: "all" })).data.length, 16);
  assert.equal((await kw.audit.verify()).ok, true);
});

test("threads that are terminated in the middle of calls leave process and file whole", async (t) => {
  const place = url(t);
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER, busyTimeout: "5m" });
  t.after(() => kw.close());
  await kw.open();
  for (const hash of ["hmac-sha256", "argon2id"]) {
    for (let round = 0; round < 4; round++) {
      const worker = start({ place, task: "endless", hash });
      await heard(worker);
      await worker.terminate();
    }
  }
  const { api_key } = await kw.keys.create({ name: "after" });
  assert.equal((await kw.verify(api_key)).allowed, true);
  assert.equal((await kw.audit.verify()).ok, true);
});
