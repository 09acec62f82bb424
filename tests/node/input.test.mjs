import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";
import { engine } from "./fixture.mjs";

const bad = (act, field, code) => assert.rejects(act, { code, field });

test("numbers mean exactly what they are", async (t) => {
  const kw = engine(t);
  const create = (expires_in_days) => kw.keys.create({ name: "CI", expires_in_days });
  for (const it of [NaN, 1.5, Infinity, -Infinity, 0, -1, -0, 2 ** 53, 1e300, 2n ** 53n, -1n]) {
    await assert.rejects(create(it), { code: "validation_failed", field: "expires_in_days" }, `${it}`);
  }
  for (const it of [true, "1", 2n ** 200n, new Date(), [1], {}]) {
    await assert.rejects(create(it), { code: "invalid_request", field: "expires_in_days" }, `${it}`);
  }
  for (const it of [1, 1.0, 36500n]) assert.ok((await create(it)).expires_at instanceof Date);
});

test("metadata refuses a BigInt, which would come back as a number", async (t) => {
  const kw = engine(t);
  for (const it of [1n, [1n], { b: -1n }]) await bad(kw.keys.create({ name: "CI", metadata: { a: it } }), "metadata", "invalid_request");
  for (const it of [new Set([1]), new Map(), new Array(2), Object("x"), Object(1), /x/, new Error("x")]) {
    await bad(kw.keys.create({ name: "CI", metadata: { a: it } }), "metadata", "invalid_request");
  }
  const { id } = await kw.keys.create({ name: "CI", metadata: { a: 1 } });
  await bad(kw.keys.update(id, { metadata: { a: 1n } }), "metadata", "invalid_request");
  assert.deepEqual((await kw.keys.get(id)).metadata, { a: 1 });
});

test("undefined is left out, null is given", async (t) => {
  const kw = engine(t);
  const { id } = await kw.keys.create({ name: "CI", level: "read", networks: undefined, nothing: undefined });
  assert.equal((await kw.keys.update(id, { level: undefined, name: "CI 2" })).level, "read");
  assert.equal((await kw.keys.update(id, { level: null })).level, null);
});

test("an invalid date is no date, and a date is a date of any realm", async (t) => {
  const kw = engine(t);
  await bad(kw.keys.create({ name: "CI", expires_at: new Date(NaN) }), "expires_at", "validation_failed");
  await bad(kw.keys.create({ name: "CI", expires_at: new Date(8.64e15) }), "expires_at", "validation_failed");
  await bad(kw.keys.create({ name: "CI", expires_at: "2099-01-01" }), "expires_at", "invalid_request");
  const foreign = vm.runInNewContext(`({ name: "CI", expires_at: new Date("2099-01-01T00:00:00.000Z"), metadata: { a: [1] } })`);
  const key = await kw.keys.create(foreign);
  assert.equal(key.expires_at.getTime(), foreign.expires_at.getTime());
  assert.deepEqual(key.metadata, { a: [1] });
});

test("lone surrogates are refused in every text, and nowhere replaced", async (t) => {
  const kw = engine(t);
  for (const it of ["\ud800", "a\udc00b", "\udc00\ud800", "😀\ud83d"]) {
    await bad(kw.keys.create({ name: it }), "name", "validation_failed");
    await bad(kw.keys.create({ name: "CI", scopes: it }), "scopes", "validation_failed");
    await bad(kw.keys.create({ name: "CI", metadata: { note: it } }), "metadata", "validation_failed");
    await bad(kw.keys.create({ name: "CI", metadata: { [it]: 1 } }), "metadata", "validation_failed");
    assert.equal((await kw.verify(it)).code, "invalid");
    assert.equal(kw.parse(it), null);
  }
  assert.equal((await kw.keys.create({ name: "clé 😀" })).name, "clé 😀");
});

test("objects that never end are refused, and soon", async (t) => {
  const kw = engine(t);
  const loop = {};
  loop.again = loop;
  const two = {};
  two.left = two;
  two.right = two;
  const list = [];
  list.push(list);
  const vast = new Array(2 ** 32 - 1);
  let wide = "x";
  for (let level = 0; level < 40; level++) wide = [wide, wide];
  for (const it of [loop, two, { list }, { vast }, { wide }]) {
    await assert.rejects(kw.keys.create({ name: "CI", metadata: it }), { field: "metadata", status: 400 });
    await assert.rejects(kw.keys.create({ name: "CI", scopes: Object.values(it) }), { field: "scopes", status: 400 });
  }
});

test("foreign objects are refused by their type's name", async (t) => {
  const kw = engine(t);
  class Money {}
  const views = [new Float64Array(2), new DataView(new ArrayBuffer(1)), new ArrayBuffer(2)];
  const boxes = [new Map(), new Set(), new String("CI"), Promise.resolve()];
  const foreign = [new Money(), Symbol("x"), () => 1, /x/, ...boxes, ...views];
  for (const it of foreign) {
    await bad(kw.keys.create({ name: it }), "name", "invalid_request");
    await assert.rejects(kw.keys.create({ name: "CI", metadata: { it } }), { field: "metadata", status: 400 });
  }
  await assert.rejects(kw.keys.create({ name: new Money() }), /Money/);
  await assert.rejects(kw.keys.create({ name: "CI", metadata: { a: [undefined] } }), { field: "metadata" });
});

test("an object's own getter that throws is heard as it is", async (t) => {
  const kw = engine(t);
  const own = new RangeError("mine");
  const fields = { get name() { throw own; } };
  await assert.rejects(kw.keys.create(fields), own);
  await assert.rejects(kw.verify("x", { get scopes() { throw own; } }), own);
  await assert.rejects(kw.keys.create(new Proxy({}, { ownKeys() { throw own; } })), own);
  assert.equal((await kw.keys.create({ name: "CI" })).name, "CI");
});

test("only own enumerable names count", async (t) => {
  const kw = engine(t);
  const fields = Object.defineProperty({ name: "CI" }, "scopes", { value: "deals:read", enumerable: false });
  fields[Symbol("x")] = 1;
  assert.deepEqual([...(await kw.keys.create(fields)).scopes], []);
  await assert.rejects(kw.keys.create(Object.create({ name: "CI" })), { code: "invalid_request" });
  assert.equal((await kw.keys.create(Object.assign(Object.create(null), { name: "CI" }))).name, "CI");
});

test("options that stand behind an object without a root are refused, not overlooked", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI" });
  const hidden = Object.create(Object.assign(Object.create(null), { scopes: "deals:read" }));
  await assert.rejects(kw.verify(api_key, hidden), { code: "invalid_request" });
});

test("whatever text is presented is judged", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI" });
  const judged = async (it) => (await kw.verify(it)).code;
  assert.equal(await judged(api_key), null);
  assert.equal(await judged(Buffer.from(api_key)), null);
  assert.equal(await judged(new Uint8Array(Buffer.from(`..${api_key}`)).subarray(2)), null);
  for (const it of [null, undefined]) assert.equal(await judged(it), "missing");
  const texts = ["", " ", "x".repeat(2 ** 20), "\ud800", "\0", `${api_key}\0`, ` ${api_key}`];
  for (const it of [...texts, Buffer.from([0xff, 0xfe]), Buffer.alloc(0)]) assert.equal(await judged(it), "invalid");
  for (const it of [0, 1n, true, {}, [api_key], new Date(), Symbol("x"), () => api_key, new String(api_key)]) {
    await assert.rejects(kw.verify(it), { code: "invalid_request", field: "api_key" });
    await assert.rejects(kw.authenticate(it), { code: "invalid_request", field: "api_key" });
  }
});
