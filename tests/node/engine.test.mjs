import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { Keywright } from "keywright";
import { ManualClock } from "keywright/testing";
import { PEPPER, engine, folder, url } from "./fixture.mjs";

test("the constructor touches no file; open does, once for all who ask at the same time", async (t) => {
  const place = url(t);
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER });
  t.after(() => kw.close());
  assert.equal(existsSync(place.slice(7)), false);
  assert.match(kw.keyPattern(), /^liq_/);
  assert.equal(existsSync(place.slice(7)), false);
  const [one, two] = await Promise.all([kw.open(), kw.open(), kw.keys.list(), kw.verify("x")]);
  assert.ok(one === kw && two === kw);
  assert.equal(statSync(place.slice(7)).mode & 0o777, 0o600);
});

test("a relative path stands in the working folder of the constructor", async (t) => {
  const before = process.cwd();
  t.after(() => process.chdir(before));
  const [here, there] = [folder(t), folder(t)];
  process.chdir(here);
  const kw = new Keywright("sqlite:data/keys.db", { brand: "liq", pepper: PEPPER });
  t.after(() => kw.close());
  process.chdir(there);
  await kw.keys.create({ name: "CI" });
  assert.ok(existsSync(join(here, "data", "keys.db")));
  assert.deepEqual(readdirSync(there), []);
});

test("an engine that could not open tries again at the next call", async (t) => {
  const place = url(t);
  await writeFile(place.slice(7), "something else");
  const kw = new Keywright(place, { brand: "liq", pepper: PEPPER });
  t.after(() => kw.close());
  await assert.rejects(kw.open(), { code: "unavailable" });
  await assert.rejects(kw.keys.list(), { code: "unavailable" });
  const { allowed, code, status } = await kw.verify("liq_live_x");
  assert.deepEqual({ allowed, code, status }, { allowed: false, code: "unavailable", status: 503 });
  await rm(place.slice(7));
  assert.equal((await kw.keys.create({ name: "CI" })).name, "CI");
});

test("Symbol.asyncDispose closes", async (t) => {
  const kw = engine(t);
  await kw.open();
  await kw[Symbol.asyncDispose]();
  await assert.rejects(kw.open(), { code: "closed" });
});

test("nothing of the pepper is seen on the engine", (t) => {
  const kw = engine(t);
  for (const shown of [inspect(kw, { depth: 9, showHidden: true }), JSON.stringify(kw)]) assert.ok(!shown.includes(PEPPER));
});

test("parse, keyPattern and redact answer at once", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  assert.deepEqual(kw.parse(api_key), { environment: "live", prefix, lookup: prefix.slice(9) });
  assert.equal(kw.parse("nothing of ours"), null);
  assert.match(api_key, new RegExp(`^${kw.keyPattern()}$`));
  assert.equal(kw.redact(`key ${api_key}.`), `key ${prefix}_[redacted].`);
});

test("the clock is one moved by hand, or none", async (t) => {
  const clock = new ManualClock(new Date("2026-01-01T00:00:00.000Z"));
  const kw = engine(t, { clock });
  const { api_key, created_at } = await kw.keys.create({ name: "CI", expires_in_days: 1 });
  assert.deepEqual(created_at, clock.now());
  clock.advance(86_399_999);
  assert.equal((await kw.verify(api_key)).allowed, true);
  clock.advance(1);
  assert.equal((await kw.verify(api_key)).code, "expired");
  clock.set(new Date("2026-01-01T12:00:00.000Z"));
  assert.equal((await kw.verify(api_key)).allowed, true);

  const own = { now: () => new Date() };
  assert.throws(() => new Keywright(url(t), { brand: "liq", clock: own }), { code: "invalid_request", field: "clock" });
  for (const bad of [new Date(NaN), "2026-01-01", null, 0]) {
    assert.throws(() => new ManualClock(bad), { field: "start" });
  }
  for (const bad of [NaN, 1.5, "1", 2n ** 70n, undefined]) assert.throws(() => clock.advance(bad), { field: "ms" });
  assert.throws(() => clock.set("now"), { field: "time" });
});

test("a clock that is told nothing shows the start of 2026", () => {
  for (const clock of [new ManualClock(), new ManualClock(undefined)]) {
    assert.equal(clock.now().toISOString(), "2026-01-01T00:00:00.000Z");
  }
});

test("a pepper that is missing is refused, and any other option may be undefined", (t) => {
  for (const pepper of [undefined, null]) {
    assert.throws(() => new Keywright(url(t), { brand: "liq", pepper }), { code: /^(invalid_request|validation_failed)$/, field: "pepper" });
  }
  const others = ["environments", "environment", "keyFormat", "acceptFormats", "scopes", "retiredPeppers", "hash"];
  others.push("retiredHashes", "idStyle", "readOnly", "busyTimeout", "maxStaleness", "clock");
  const unset = Object.fromEntries(others.map((it) => [it, undefined]));
  assert.match(new Keywright(url(t), { ...unset, brand: "liq", pepper: PEPPER }).keyPattern(), /^liq_/);
  assert.match(new Keywright(url(t), { brand: "liq" }).keyPattern(), /^liq_/, "without the name there is no pepper");
});

test("two engines on one file see each other's changes at once", async (t) => {
  const place = url(t);
  const [one, two] = [0, 1].map(() => new Keywright(place, { brand: "liq", pepper: PEPPER }));
  t.after(() => Promise.all([one.close(), two.close()]));
  const { id, api_key } = await one.keys.create({ name: "CI" });
  assert.equal((await two.verify(api_key)).allowed, true);
  await one.keys.revoke(id);
  assert.equal((await two.verify(api_key)).code, "revoked");
});

test("the event loop goes on while argon2id works", async (t) => {
  const kw = new Keywright(url(t), { brand: "liq", hash: "argon2id" });
  t.after(() => kw.close());
  let hashes = 0;
  let isRead = false;
  const reading = readFile(new URL(import.meta.url)).then(() => (isRead = true));
  while (!isRead) {
    assert.ok(++hashes < 10_000, "no file is read between the hashes");
    const { api_key } = await kw.keys.create({ name: "CI" });
    assert.equal((await kw.verify(api_key)).allowed, true);
  }
  await reading;
});
