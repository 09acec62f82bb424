import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Key, NewKey } from "keywright";
import { engine } from "./fixture.mjs";

const HIDDEN = "<hidden: send new.reveal() once>";

test("a new key shows its text only to who asks for it", async (t) => {
  const made = await engine(t).keys.create({ name: "CI" });
  const text = made.api_key;
  assert.match(text, /^liq_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/);
  assert.ok(made instanceof NewKey && made instanceof Key);

  const shown = {
    json: JSON.stringify({ made }),
    inspect: inspect({ made }, { depth: 9, showHidden: true }),
    dir: inspect(made, { customInspect: false }),
    text: `${made}`,
    spread: JSON.stringify({ ...made }),
    assign: JSON.stringify(Object.assign({}, made)),
    entries: JSON.stringify(Object.entries(made)),
    clone: inspect(structuredClone(made), { depth: 9 }),
    copy: Object.create(Object.getPrototypeOf(made), Object.getOwnPropertyDescriptors(made)).api_key,
    error: inspect(new Error("no", { cause: made })),
  };
  for (const [way, it] of Object.entries(shown)) assert.ok(!it.includes(text), `${way} shows the text: ${it}`);
  for (const way of ["json", "inspect", "copy", "error"]) assert.ok(shown[way].includes(HIDDEN), `${way}: ${shown[way]}`);
});

test("reveal gives plain data that goes to JSON as it is", async (t) => {
  const made = await engine(t).keys.create({ name: "CI", scopes: "deals:read", expires_in_days: 1 });
  const plain = made.reveal();
  assert.equal(Object.getPrototypeOf(plain), Object.prototype);
  assert.equal(plain.api_key, made.api_key);
  assert.equal(plain.expires_at, made.expires_at.toISOString());
  assert.deepEqual(JSON.parse(JSON.stringify(plain)), plain);
  assert.deepEqual(Object.keys(plain), [...Object.keys(made), "api_key"]);
});

test("a key has its fields, with dates, and is frozen to its depth", async (t) => {
  const kw = engine(t);
  const { id } = await kw.keys.create({
    name: "CI",
    scopes: ["deals:read"],
    networks: ["192.0.2.0/24"],
    metadata: { plan: { seats: [1, 2] } },
    limits: { own: { rate: 10, burst: 2, operation: "read" } },
    quotas: { monthly: { amount: 5, every: "month", anchor: 31 } },
  });
  const key = await kw.keys.get(id);
  assert.ok(key.created_at instanceof Date && key.secrets[0].created_at instanceof Date);
  assert.equal(key.expires_at, null);
  assert.deepEqual(key.metadata, { plan: { seats: [1, 2] } });
  const own = { name: "own", rate: 10, burst: 2, per: "key", operation: "read", exact: false, when_unreachable: "local" };
  assert.deepEqual(key.limits, [own]);
  assert.deepEqual(key.quotas, [{ name: "monthly", amount: 5, every: "month", anchor: 31, per: "key", operation: null }]);
  const { metadata, secrets, scopes, networks, limits, quotas } = key;
  const parts = [key, scopes, networks, limits, limits[0], quotas, quotas[0], metadata, metadata.plan, metadata.plan.seats, secrets, secrets[0]];
  for (const part of parts) assert.ok(Object.isFrozen(part), inspect(part));
  assert.throws(() => (key.name = "other"), TypeError);
  assert.deepEqual(key, await kw.keys.get(id), "equal by value");
});

test("a decision and a credit hold the state of quotas, with dates", async (t) => {
  const kw = engine(t);
  const { id, api_key } = await kw.keys.create({ name: "CI", quotas: { own: { amount: 2, every: "day" }, credits: { amount: 0 } } });
  const state = await kw.keys.credit(id, { amount: 5, quota: "credits", actor: "billing" });
  assert.deepEqual({ ...state }, { name: "credits", amount: 5, used: 0, remaining: 5, every: null, starts_at: null, resets_at: null, reset_seconds: null });
  const { quotas } = await kw.verify(api_key);
  const [own] = quotas;
  assert.ok(own.starts_at instanceof Date && own.resets_at > own.starts_at);
  assert.deepEqual(Object.keys(own), Object.keys(state));
  for (const part of [state, quotas, own]) assert.ok(Object.isFrozen(part), inspect(part));
  assert.equal(JSON.parse(JSON.stringify(own)).resets_at, own.resets_at.toISOString());
});

test("metadata keeps its names, also those that mean something to objects", async (t) => {
  const kw = engine(t);
  const metadata = JSON.parse('{"__proto__":{"admin":true},"constructor":1,"toJSON":"x","at":"2026-01-01T00:00:00.000Z"}');
  const { id } = await kw.keys.create({ name: "CI", metadata });
  const key = await kw.keys.get(id);
  assert.equal(JSON.stringify(key.metadata), JSON.stringify(metadata));
  assert.equal(JSON.stringify(key.toJSON().metadata), JSON.stringify(metadata));
  assert.equal(key.metadata.admin, undefined);
  assert.equal({}.admin, undefined);
});

test("a decision, an org and an audit entry are frozen records too", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.org("acme").keys.create({ name: "CI" });
  const decision = await kw.verify(api_key);
  const org = await kw.orgs.get("acme");
  const [entry] = (await kw.org("acme").audit.list()).data;
  for (const it of [decision, org, entry, await kw.audit.head(), await kw.audit.verify()]) assert.ok(Object.isFrozen(it));
  assert.ok(decision.key instanceof Key);
  assert.ok(org.created_at instanceof Date && entry.at instanceof Date);
  assert.equal(entry.toJSON().at, entry.at.toISOString());
  assert.ok(!JSON.stringify([decision, org, entry]).includes(api_key));
});
