// Events for listeners in Node.

import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { InvalidRequest, Keywright } from "keywright";
import { ManualClock } from "keywright/testing";
import { PATIENCE, until, url } from "./fixture.mjs";

const PEPPER = "a pepper for tests, thirty-two bytes";
const DAY = 86_400_000;
const open = (t, options) => new Keywright(url(t), { brand: "liq", pepper: PEPPER, ...options });

test("a database that fails is reported once, as an event and as a warning", async (t) => {
  const [heard, warned] = [[], []];
  const warning = (it) => it.name === "KeywrightWarning" && warned.push(it.message);
  process.on("warning", warning);
  t.after(() => process.off("warning", warning));
  const place = url(t);
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER, onEvent: (it) => heard.push(it) });
  await kw.open();
  await rm(place.slice(7));
  for (let n = 0; n < 3; n++) await assert.rejects(kw.keys.create({ name: "CI" }), { code: "unavailable" });
  await kw.close();
  await until("it is reported", () => warned.length);
  assert.deepEqual(heard.map((it) => [it.kind, it.org, it.key_id]), [["store_failed", null, null]]);
  assert.match(heard[0].reason, /^the database was deleted/);
  assert.deepEqual(warned, [`The database ${place.slice(7)} cannot be used: ${heard[0].reason}`]);
});

test("an engine that cannot be opened is reported, and once it can", async (t) => {
  const lines = [];
  const warning = (it) => it.name === "KeywrightWarning" && lines.push(it.message);
  process.on("warning", warning);
  t.after(() => process.off("warning", warning));
  const place = url(t);
  await writeFile(place.slice(7), "something else");
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER });
  t.after(() => kw.close());
  for (let n = 0; n < 3; n++) assert.equal((await kw.verify("liq_live_x")).code, "unavailable");
  await rm(place.slice(7));
  await kw.open();
  await until("both are reported", () => lines.length === 2);
  assert.match(lines[0], /cannot be used: the file is no SQLite database; name another file/);
  assert.match(lines[1], /can be used again$/);
});

test("a life is told in its order", async (t) => {
  const heard = [];
  const clock = new ManualClock(new Date("2026-01-10T12:00:00Z"));
  const kw = open(t, { onEvent: (it) => heard.push(it), expiringDays: 30, idleDays: 60, clock });
  const created = await kw.keys.create({ name: "CI", expires_in_days: 90, created_by: "alice" });
  const rotated = await kw.keys.rotate(created.id, { actor: "bob" });
  assert.ok((await kw.verify(created.api_key)).deprecated);
  await kw.flush();
  await kw.keys.revoke(created.id, { actor: "carol" });
  assert.equal((await kw.verify(rotated.api_key)).code, "revoked");
  await kw.flush();
  await kw.close();
  const kinds = ["created", "rotated", "former_secret_used", "revoked", "refused_after_revocation"];
  assert.deepEqual(heard.map((it) => it.kind), kinds);
  assert.deepEqual(heard.map((it) => it.actor), ["alice", "bob", null, "carol", null]);
  assert.ok(heard.every((it) => it.key_id === created.id && it.at instanceof Date && it.lost === 0 && Object.isFrozen(it)));
  assert.deepEqual([heard[2].prefix, heard[2].count], [created.prefix, 1]);
  assert.equal(heard[4].code, "revoked");
  assert.ok(!JSON.stringify(heard).includes(created.api_key.slice(-30)));
});

test("a credit is told with its amount", async (t) => {
  const heard = [];
  const kw = open(t, { onEvent: (it) => heard.push(it), quotas: { credits: { amount: 0 } } });
  const { id } = await kw.keys.create({ name: "CI" });
  await kw.keys.credit(id, { amount: 500, actor: "billing", reason: "invoice 7" });
  await kw.close();
  const { kind, key_id, actor, count, reason } = heard[1];
  assert.deepEqual([kind, key_id, actor, count, reason], ["credited", id, "billing", 500, null]);
});

test("keys that expire or lie idle are told of once a day", async (t) => {
  const heard = [];
  const clock = new ManualClock(new Date("2026-01-10T12:00:00Z"));
  const kw = open(t, { onEvent: (it) => heard.push(`${it.kind} ${it.name}`), expiringDays: 7, idleDays: 3, clock });
  await kw.keys.create({ name: "short", expires_in_days: 5 });
  await kw.keys.create({ name: "long", expires_in_days: 50 });
  clock.advance(4 * DAY);
  await kw.flush();
  const idle = () => heard.filter((it) => it.startsWith("idle")).sort();
  await until("both are idle", () => idle().length === 2);
  await kw.flush();
  await kw.close();
  assert.deepEqual(idle(), ["idle long", "idle short"]);
  assert.ok(heard.includes("expiring short") && !heard.includes("expiring long"));
});

test("what a listener throws, or rejects with, is a warning", async (t) => {
  const warned = [];
  const warn = (it) => warned.push(it.message);
  process.on("warning", warn);
  t.after(() => process.off("warning", warn));
  let calls = 0;
  const kw = open(t, {
    onEvent() {
      const error = new Error(`of the test ${++calls}`);
      if (calls === 1) throw error;
      return Promise.reject(error);
    },
  });
  const { id } = await kw.keys.create({ name: "CI" });
  await kw.keys.revoke(id);
  await kw.close();
  await until("both are warned of", () => warned.length === 2);
  assert.deepEqual(warned, ["of the test 1", "of the test 2"]);
});

test("what is no listener is refused", (t) => {
  for (const onEvent of [7, "print", {}, []]) {
    assert.throws(() => open(t, { onEvent }), (it) => it instanceof InvalidRequest && it.field === "onEvent");
  }
  assert.throws(() => open(t, { idleDays: -1 }), (it) => it.field === "idleDays");
  open(t, { onEvent: undefined, expiringDays: null });
});

test("a listener keeps no process alive", (t) => {
  const program = `
    import { Keywright } from "keywright";
    const kw = new Keywright(process.argv[1], { brand: "liq", pepper: "${PEPPER}", onEvent: (it) => console.log(it.kind) });
    await kw.keys.create({ name: "CI" });
    await kw.close();
    const other = new Keywright(process.argv[1], { brand: "liq", pepper: "${PEPPER}", onEvent: () => {} });
    await other.open();
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program, url(t)], { timeout: PATIENCE });
  assert.equal(String(said), "created\n");
});

test("a program that ends without closing its engine tells and counts what was left", async (t) => {
  const place = url(t);
  const program = `
    import { Keywright } from "keywright";
    const onEvent = (it) => console.log(it.kind);
    const kw = new Keywright(process.argv[1], { brand: "liq", pepper: "${PEPPER}", onEvent });
    const created = await kw.keys.create({ name: "left" });
    await kw.keys.rotate(created.id, { grace: "1h" });
    await kw.verify(created.api_key);
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program, place], { timeout: PATIENCE });
  assert.equal(String(said), "created\nrotated\nformer_secret_used\n");
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER });
  assert.equal((await kw.keys.list()).data[0].usage_count, 1);
  await kw.close();
});

test("a worker that ends takes its listener along", async (t) => {
  const program = `
    const { Keywright } = require("keywright");
    const { workerData } = require("node:worker_threads");
    const kw = new Keywright(workerData, { brand: "liq", pepper: "${PEPPER}", onEvent: () => {} });
    kw.keys.create({ name: "in a worker" }).then(() => process.exit(0));
  `;
  const place = url(t);
  const worker = new Worker(program, { eval: true, workerData: place });
  assert.equal(await new Promise((resolve) => worker.on("exit", resolve)), 0);
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER });
  t.after(() => kw.close());
  assert.deepEqual((await kw.keys.list()).data.map((it) => it.name), ["in a worker"]);
});
