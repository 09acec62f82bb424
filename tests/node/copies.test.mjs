// Engines, errors and promises that cross from one copy of the package to another: two installations, a module that is
// loaded again, another realm as under Jest, and a proxy.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import express from "express";
import * as here from "keywright";
import { guard } from "keywright/express";
import { Http, Needs } from "keywright/http";
import { ManualClock } from "keywright/testing";
import { PEPPER, asks, engine, folder, url } from "./fixture.mjs";

const bindings = fileURLToPath(new URL("../../bindings-node", import.meta.url));
const require = createRequire(import.meta.url);

/** A second installation of the package, with an addon of its own. */
function installed(t) {
  const place = join(folder(t), "bindings-node");
  mkdirSync(place);
  cpSync(join(bindings, "lib"), join(place, "lib"), { recursive: true });
  for (const name of readdirSync(bindings).filter((it) => it.endsWith(".node"))) cpSync(join(bindings, name), join(place, name));
  return place;
}

/** Loads modules of the package in a realm of their own, whose Promise, Error, Date and Uint8Array are not ours. */
function inRealm(names) {
  const context = vm.createContext({ Buffer, URL, process, structuredClone });
  const loaded = new Map();
  const load = (file) => {
    if (loaded.has(file)) return loaded.get(file).exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const run = vm.compileFunction(readFileSync(file, "utf8"), ["module", "exports", "require"], { filename: file, parsingContext: context });
    const next = (name) => (name.startsWith(".") && name.endsWith(".cjs") ? load(join(dirname(file), name)) : createRequire(file)(name));
    run(module, module.exports, next);
    return module.exports;
  };
  return names.map((name) => load(join(bindings, "lib", `${name}.cjs`)));
}

/** Asks an Express application twice, the first time while its engine is still to be opened. */
async function lets(t, kw, keys, api_key) {
  const app = express().get("/", keys.requires("deals:read"), (request, response) => response.json({ name: request.keywright.key.name }));
  const ask = await asks(t, createServer(app));
  for (const _ of [1, 2]) {
    const { status, text } = await ask("/", { headers: { "x-api-key": api_key } });
    assert.deepEqual([status, text], [200, '{"name":"ci"}']);
  }
  await kw.close();
  assert.equal((await ask("/", { headers: { "x-api-key": api_key } })).status, 503);
}

async function made(at) {
  const kw = new here.Keywright(at, { brand: "liq", pepper: PEPPER });
  const { api_key } = await kw.keys.create({ name: "ci", scopes: "deals:read" });
  await kw.close();
  return api_key;
}

test("in another realm a verification can be the first call, and errors are those of their classes", async (t) => {
  const at = url(t);
  const api_key = await made(at);
  const [{ Keywright, Denied, KeywrightError }, { guard }] = inRealm(["index", "express"]);
  const kw = new Keywright(at, { brand: "liq", pepper: PEPPER });
  assert.ok((await kw.verify(api_key)).allowed);
  const denied = await kw.authenticate("nonsense").catch((error) => error);
  assert.ok(denied instanceof Denied && denied instanceof KeywrightError && denied instanceof here.Denied);
  assert.ok(!(denied instanceof here.NotFound) && !(denied instanceof Error));
  await kw.close();
  const closed = new Keywright(at, { brand: "liq", pepper: PEPPER });
  await lets(t, closed, guard(closed, {}), api_key);
});

test("values of another realm are read as those of this one", async (t) => {
  const there = (code) => vm.runInNewContext(code);
  const kw = engine(t, there("({ scopes: { 'deals:read': 'Read deals' } })"));
  const expires_at = there("new Date('2099-01-01T00:00:00Z')");
  const fields = Object.assign(there("({ name: 'ci', scopes: ['deals:read'], metadata: { a: [1] } })"), { expires_at });
  const key = await kw.keys.create(fields);
  assert.deepEqual([key.expires_at.toISOString(), key.metadata, key.scopes], [expires_at.toISOString(), { a: [1] }, ["deals:read"]]);
  assert.ok((await kw.verify(there("(text) => new Uint8Array(text.split('').map((it) => it.charCodeAt()))")(key.api_key))).allowed);
  assert.ok((await kw.verify(key.api_key, there("({ scopes: ['deals:read'] })"))).allowed);
  assert.equal(key.toJSON().expires_at, expires_at.toISOString());
});

test("two installations in one process share engines and errors", async (t) => {
  const at = url(t);
  const api_key = await made(at);
  const there = require(join(installed(t), "lib/index.cjs"));
  const kw = new there.Keywright(at, { brand: "liq", pepper: PEPPER });
  const error = await kw.keys.get("key_0").catch((it) => it);
  assert.ok(error instanceof there.KeywrightError && error instanceof here.KeywrightError);
  assert.ok(Object.values(here).some((it) => error instanceof it && it.name === error.name));

  const http = new Http(kw, {});
  const asked = (needs) => http.authenticate({ method: "GET", target: "/", rawHeaders: ["api-key", api_key] }, needs);
  assert.equal((await asked(Needs.of("deals:read"))).key.name, "ci");
  assert.equal((await asked(Needs.of("deals:write"))).status, 403);
  await lets(t, kw, guard(kw, {}), api_key);
});

test("an error is of its own class and of those above it", () => {
  const answer = { code: "denied", status: 401, message: "no" };
  class Own extends here.Denied {}
  const own = new Own(answer);
  assert.ok(own instanceof Own && own instanceof here.Denied && own instanceof here.KeywrightError && own instanceof Error);
  const denied = new here.Denied(answer);
  assert.ok(!(denied instanceof Own) && !(denied instanceof here.NotFound));
  for (const other of [null, undefined, "Denied", {}, new Error("no")]) assert.ok(!(other instanceof here.Denied));
});

test("an engine behind a proxy works", async (t) => {
  const clock = new Proxy(new ManualClock(), {});
  const kw = new Proxy(engine(t, { clock }), {});
  const keys = new Proxy(kw.keys, {});
  const { id, api_key } = await keys.create({ name: "ci" });
  clock.advance(1_000);
  assert.ok((await kw.verify(api_key)).allowed);
  assert.equal((await kw.authenticate(api_key)).id, id);
  assert.equal((await kw.org("default").keys.list()).data.length, 1);
  assert.equal((await kw.orgs.get("default")).id, "default");
  assert.equal((await kw.audit.head()).seq > 0, true);
  assert.equal(kw.parse(api_key).environment, "live");
  assert.ok(!kw.redact(api_key).includes(api_key));
  assert.equal(typeof guard(kw, {}), "function");
  await kw.flush();
  await kw.close();
  assert.throws(() => guard(new Proxy({}, {}), {}), /kw must be a Keywright/);
});

test("a module that is loaded again listens to the exit once", () => {
  const program = `
    const reload = () => {
      for (const file of Object.keys(require.cache)) if (file.includes("bindings-node")) delete require.cache[file];
      return [require("keywright"), require("keywright/express"), require("keywright/testing")];
    };
    for (let turn = 0; turn < 30; turn++) reload();
    process.on("warning", () => process.exit(3));
    console.log(process.listenerCount("exit"), process.listenerCount("beforeExit"));`;
  const said = execFileSync(process.execPath, ["-e", program], { cwd: join(bindings, ".."), encoding: "utf8" });
  assert.equal(said, "1 1\n");
});
