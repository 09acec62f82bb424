// Answers from memory, and the counters that arrive however a process ends.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Keywright } from "keywright";
import { PATIENCE, PEPPER, engine, folder } from "./fixture.mjs";

test("options that are changed are read anew", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read", level: "read" });
  const options = { scopes: ["deals:read"], method: "GET" };
  const code = async () => (await kw.verify(api_key, options)).code;
  for (let turn = 0; turn < 3; turn++) assert.equal(await code(), null);
  options.scopes.push("deals:write");
  assert.equal(await code(), "insufficient_scope");
  options.scopes.pop();
  assert.equal(await code(), null);
  options.method = "POST";
  assert.equal(await code(), "method_not_allowed");
  delete options.method;
  options.environment = "live";
  assert.equal(await code(), "method_not_allowed");
  Object.assign(options, { method: "GET", unknown: 1 });
  await assert.rejects(code(), { code: "invalid_request", field: "unknown" });
  await assert.rejects(kw.verify(api_key, { scopes: ["Deals:read"] }), { code: "validation_failed" });
  await assert.rejects(kw.verify(api_key, Object.create({ scopes: "deals:write" })));
});

test("a getter is asked each time", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read" });
  let scopes = "deals:read";
  const options = {
    get scopes() {
      return scopes;
    },
  };
  for (let turn = 0; turn < 2; turn++) assert.equal((await kw.verify(api_key, options)).allowed, true);
  scopes = "deals:write";
  assert.equal((await kw.verify(api_key, options)).allowed, false);
});

test("what a getter says a second time is not kept for others", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "turns:read" });
  assert.equal((await kw.verify(api_key)).allowed, true);
  const answers = ["turns:read", "turns:write"];
  await kw.verify(api_key, {
    get scopes() {
      return answers.length > 1 ? answers.shift() : answers[0];
    },
  });
  assert.equal((await kw.verify(api_key, { scopes: "turns:read" })).allowed, true);
  assert.equal((await kw.verify(api_key, { scopes: "turns:write" })).allowed, false);
});

test("texts are judged as they are, also when memory is asked", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI" });
  assert.equal((await kw.verify(api_key)).allowed, true);
  // U+0130 and U+0131 end in the bytes of "0" and "1".
  const wide = [...api_key].map((it, index) => (index > 9 ? String.fromCharCode(it.charCodeAt(0) + 0x100) : it)).join("");
  const one = String.fromCharCode(api_key.charCodeAt(20) + 0x100);
  for (const text of ["", wide, api_key.slice(0, 20) + one + api_key.slice(21), `${api_key}\0`, `${api_key}\ud800`, "x".repeat(1 << 20), "é".repeat(60)]) {
    assert.equal((await kw.verify(text)).code, "invalid", JSON.stringify(text.slice(0, 80)));
  }
  assert.equal((await kw.verify(Buffer.from(api_key))).allowed, true);
  assert.equal((await kw.verify(null)).code, "missing");
  await assert.rejects(kw.verify(new String(api_key)), { code: "invalid_request" });
  assert.equal((await Promise.all(Array.from({ length: 1_000 }, () => kw.verify(api_key)))).filter((it) => it.allowed).length, 1_000);
});

test("a decision never shows a key as it was before a change", async (t) => {
  const kw = engine(t);
  const { api_key, id } = await kw.keys.create({ name: "before" });
  for (const name of ["first", "second"]) {
    await kw.keys.update(id, { name });
    for (let turn = 0; turn < 2; turn++) assert.equal((await kw.verify(api_key)).key.name, name);
  }
  await kw.keys.revoke(id);
  assert.equal((await kw.verify(api_key)).code, "revoked");
});

test("an org sees its own from memory as well", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.org("acme").keys.create({ name: "CI" });
  for (let turn = 0; turn < 2; turn++) {
    assert.equal((await kw.org("acme").verify(api_key)).allowed, true);
    assert.equal((await kw.org("other").verify(api_key)).code, "invalid");
    assert.equal((await kw.verify(api_key)).key.org, "acme");
  }
});

const START = `
import cluster from "node:cluster";
import { Worker, isMainThread } from "node:worker_threads";
import { Keywright } from "keywright";
const [, , pepper, text] = process.argv;
const kw = new Keywright("sqlite:keys.db", { brand: "liq", pepper });
for (let turn = 0; turn < 5; turn++) if (!(await kw.verify(text)).allowed) throw new Error("refused");
`;

const ENDINGS = {
  "the end of the program": ["", 5],
  "process.exit": ["process.exit(0);", 5],
  "an exception": ["throw new Error('of the test');", 5],
  "a handler of SIGTERM": ["process.on('SIGTERM', () => process.exit(0)); process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1e6);", 5],
  "the end of a worker": ["if (isMainThread) new Worker(new URL(import.meta.url), { argv: [pepper, text] });", 10],
  "workers of a cluster": ["if (cluster.isPrimary) for (let n = 0; n < 2; n++) cluster.fork(); else process.disconnect();", 15],
};

for (const [ending, [program, count]] of Object.entries(ENDINGS)) {
  test(`counters arrive at ${ending}`, async (t) => {
    const place = folder(t);
    const kw = new Keywright(`sqlite:${join(place, "keys.db")}`, { brand: "liq", pepper: PEPPER });
    t.after(() => kw.close());
    const { api_key, id } = await kw.keys.create({ name: "CI" });
    const library = new URL("../../bindings-node/lib/index.mjs", import.meta.url).href;
    const file = join(place, "program.mjs");
    writeFileSync(file, (START + program).replace('"keywright"', JSON.stringify(library)));
    const done = spawnSync(process.execPath, [file, PEPPER, api_key], { cwd: place, encoding: "utf8", timeout: PATIENCE });
    assert.equal(done.status === 0, ending !== "an exception", done.stderr);
    assert.equal((await kw.keys.get(id)).usage_count, count, done.stderr);
  });
}
