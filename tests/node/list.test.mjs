import assert from "node:assert/strict";
import { test } from "node:test";
import { Page } from "keywright";
import { ManualClock } from "keywright/testing";
import { engine } from "./fixture.mjs";

async function many(t, count) {
  // Keys of one millisecond stand in no order.
  const clock = new ManualClock();
  const kw = engine(t, { clock });
  for (let index = 0; index < count; index++) {
    await kw.keys.create({ name: `key ${index}` });
    clock.advance(1);
  }
  return kw;
}

const names = async (keys) => {
  const all = [];
  for await (const key of keys) all.push(key.name);
  return all;
};

test("a list is awaited for one page, and iterated for all", async (t) => {
  const kw = await many(t, 7);
  const newestFirst = ["key 6", "key 5", "key 4", "key 3", "key 2", "key 1", "key 0"];
  const page = await kw.keys.list({ limit: 3 });
  assert.ok(page instanceof Page);
  assert.deepEqual(page.data.map((it) => it.name), newestFirst.slice(0, 3));
  assert.equal(page.has_more, true);
  assert.deepEqual(await names(kw.keys.list({ limit: 3 })), newestFirst);
  assert.deepEqual(await names(page), newestFirst, "a page goes on through the pages after it");
  assert.deepEqual(await names(kw.keys.list()), newestFirst);
  const next = await kw.keys.list({ limit: 3, cursor: page.next_cursor });
  assert.deepEqual(await names(next), newestFirst.slice(3));
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(page))), ["data", "has_more", "next_cursor"]);
});

test("an iteration can stop early and start anew", async (t) => {
  const kw = await many(t, 4);
  const list = kw.keys.list({ limit: 1 });
  for await (const key of list) {
    assert.equal(key.name, "key 3");
    break;
  }
  assert.equal((await names(list)).length, 4);
});

test("a list is a promise", async (t) => {
  const kw = await many(t, 1);
  const list = kw.keys.list();
  assert.ok(list instanceof Promise);
  assert.equal(await list.then((page) => page.data.length).finally(() => {}), 1);
});

test("a list asks for nothing before somebody listens, and then once", async (t) => {
  const kw = engine(t);
  const unheard = [];
  const hear = (error) => unheard.push(error);
  process.on("unhandledRejection", hear);
  t.after(() => process.off("unhandledRejection", hear));
  const list = kw.keys.list();
  kw.keys.list({ limit: 0 });
  kw.orgs.list({ limit: 0 });
  kw.audit.list({ limit: 0 });
  await kw.keys.create({ name: "CI" });
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(unheard, []);
  const page = await list;
  assert.equal(page.data.length, 1, "the key is older than the question");
  await kw.keys.create({ name: "later" });
  assert.ok([await list, ...(await Promise.all([list, list]))].every((it) => it === page));
  assert.deepEqual(await names(list), ["CI"]);
});

test("a bad filter rejects, awaited or iterated", async (t) => {
  const kw = engine(t);
  await assert.rejects(kw.keys.list({ limit: 0 }), { code: "validation_failed", field: "limit" });
  await assert.rejects(names(kw.keys.list({ status: "gone" })), { code: "validation_failed", field: "status" });
});

test("orgs and audit entries are listed the same way", async (t) => {
  const kw = engine(t);
  for (const org of ["acme", "beta", "gamma"]) await kw.org(org).keys.create({ name: "CI" });
  const orgs = [];
  for await (const it of kw.orgs.list({ limit: 1 })) orgs.push(it.id);
  assert.deepEqual(orgs.sort(), ["acme", "beta", "gamma"]);
  const actions = [];
  for await (const it of kw.everyOrg().audit.list({ limit: 2 })) actions.push(it.action);
  assert.equal(actions.filter((it) => it === "key.create").length, 3);
});
