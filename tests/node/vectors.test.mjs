import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import * as keywright from "keywright";
import { Http } from "keywright/http";
import { ManualClock } from "keywright/testing";
import { camel, check, options, plain, value } from "./case.mjs";
import { PEPPER } from "./fixture.mjs";
import { hashCase, plant } from "./hooks.mjs";
import { call, fails, runScenario } from "./scenario.mjs";

const { beginningOf } = createRequire(import.meta.url)("../../bindings-node/lib/receipt.cjs");

const { Keywright, KeywrightError } = keywright;

const read = (file) => JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8"));
// Those over HTTP are another program's: tests/http/drive.py.
const { "http.json": _, ...manifest } = read("manifest.json");
const ran = {};

/** Runs every case of one file, and holds their number against the file's own and the manifest's. */
function vectors(name, run) {
  const file = read(`${name}.json`);
  const { count, tests } = file;
  describe(name, () => {
    test("every case is counted", () => {
      assert.equal(tests.length, count);
      assert.equal(manifest[`${name}.json`], count);
      assert.equal(new Set(tests.map((it) => it.id)).size, count, "ids are unique");
    });
    for (const it of tests) {
      test(it.id, async (t) => {
        await run(t, it, file);
        ran[name] = (ran[name] ?? 0) + 1;
      });
    }
    after(() => assert.equal(ran[name], count, `${name}: a case failed or did not run`));
  });
}

after(() => console.log(`vectors node: ${Object.entries(ran).map((it) => it.join(" ")).join(", ")}`));

const BASE = { brand: "liq", pepper: PEPPER };
const folder = mkdtempSync(join(tmpdir(), "keywright-"));

/** The URL of a database that does not exist yet. */
function newDatabase() {
  const store = process.env.KEYWRIGHT_TEST_STORE ?? `sqlite:${folder}/`;
  return `${store}kw_${randomBytes(8).toString("hex")}`;
}

function open(t, config) {
  const kw = new Keywright(newDatabase(), options(config));
  t.after(() => kw.close());
  return kw;
}

/** Engines by their options: cases that leave nothing behind share one. */
const shared = new Map();

function share(config) {
  const name = JSON.stringify(config);
  if (!shared.has(name)) shared.set(name, new Keywright(newDatabase(), options(config)));
  return shared.get(name);
}

after(async () => {
  for (const kw of shared.values()) await kw.close();
  await (await given)?.kw.close();
  rmSync(folder, { recursive: true });
});

vectors("key", async (t, it) => {
  const ops = {
    parse: (kw) => assert.deepEqual(kw.parse(value(it.text)), it.expect),
    redact: (kw) => assert.equal(kw.redact(value(it.text)), it.expect),
    pattern: (kw) => {
      const pattern = kw.keyPattern(it.syntax);
      assert.equal(pattern, it.expect);
      if (it.found) assert.deepEqual(it.text.match(new RegExp(pattern, "g")), it.found);
    },
    open: (kw) => kw.open(),
  };
  assert.ok(it.op in ops, `unknown op ${it.op}`);
  const act = async () => ops[it.op](it.op === "open" ? open(t, it.config) : share(it.config));
  if (it.expect?.error) await fails(act, it.expect.error, camel);
  else await act();
});

vectors("hash", (t, it) => {
  assert.deepEqual(hashCase(it.op, value(it.input)), it.expect);
});

{
  const http = new Http(share(BASE), {});
  const open = http.needs(undefined, { access: "public" });

  vectors("receipt", async (_t, it) => {
    const authenticate = () => http.authenticate({ method: "GET", target: "/", rawHeaders: [], earlier: it.text }, open);
    // The same text without a receipt is one of no guard.
    if (it.text === "") return assert.notEqual((await authenticate()).request_id, "");
    if (it.expect === null) return fails(authenticate, { code: "invalid_request", field: "earlier" });
    assert.deepEqual(beginningOf(it.text), [it.expect.key_revision, it.expect.request_id]);
    const found = await authenticate();
    assert.equal(found.request_id, it.expect.request_id);
    const { request_id, once } = it.expect;
    assert.equal(found.earlier, once ? `0 ${request_id}   once` : `0 ${request_id}`);
  });
}

vectors("scope", async (_t, it) => {
  const kw = share({ ...BASE, ...it.config });
  const make = (fields) => kw.keys.create({ name: "case", ...fields });
  const given = (name, to = name) => (name in it ? { [to]: value(it[name]) } : {});
  const ops = {
    async grant() {
      const { id } = await make(given("scopes"));
      assert.deepEqual([...(await kw.keys.get(id)).scopes], it.expect);
    },
    async verify() {
      const { api_key } = await make(given("granted", "scopes"));
      check(plain(await kw.verify(api_key, given("required", "scopes"))), it.expect);
    },
    async level() {
      const { api_key } = await make(given("level"));
      check(plain(await kw.verify(api_key, given("method"))), it.expect);
    },
    async network() {
      const { api_key } = await make(given("networks"));
      check(plain(await kw.verify(api_key, given("ip"))), it.expect);
    },
  };
  assert.ok(it.op in ops, `unknown op ${it.op}`);
  if (it.expect.error) await fails(ops[it.op], it.expect.error);
  else await ops[it.op]();
});

const scenario = (t, it) => runScenario(t, it, newDatabase());

for (const name of ["scenario", "import", "limit", "quota", "meter"]) vectors(name, scenario);

// Linux alone has a file that processes map.
if (process.platform === "linux" && !process.env.KEYWRIGHT_TEST_STORE) {
  test("the limiter of the machine keeps the vectors of limits", async (t) => {
    const cases = read("limit.json").tests.filter((it) => !it.config.limiter);
    assert.ok(cases.length > 50);
    // It counts as the limiter of the process does, and shares.
    const on = (name, it) => (name === "shared" ? true : name === "config" ? { ...it, limiter: "machine" } : it);
    for (const it of JSON.parse(JSON.stringify(cases), on)) await scenario(t, it);
  });
}

/** The engine of all bad inputs, which change nothing, with what their file has made first. */
let given;

async function prepare({ config, start, given: steps }) {
  const kw = new Keywright(newDatabase(), { ...options(config), clock: new ManualClock(new Date(start)) });
  const saved = {};
  for (const step of steps) saved[step.as] = plain(await call(kw, step, saved));
  return { kw, saved };
}

vectors("bad_input", async (t, it, file) => {
  const { kw, saved } = await (given ??= prepare(file));
  const { id, ...rest } = it;
  const step = { ...rest, do: it.call };
  const target = "target" in it ? value(it.target, saved) : undefined;
  const before = await kw.audit.head();
  if (it.call === "open") {
    const start = async () => {
      const other = new Keywright("target" in it ? target : newDatabase(), options(it.args));
      t.after(() => other.close());
      await other.open();
    };
    await fails(start, it.expect, camel);
  } else if (it.call === "http") {
    const { session, ...args } = it.args;
    const given = { ...options(args), ...(session && { session: options(session) }) };
    await fails(async () => new Http(kw, given), it.expect, camel);
  } else if (it.call === "org") {
    await fails(async () => kw.org(target).keys.list(), it.expect);
  } else if ("decision" in it.expect) {
    assert.equal((await call(kw, step, saved)).code, it.expect.decision);
  } else {
    await fails(async () => call(kw, step, saved), it.expect);
  }
  assert.deepEqual(await kw.audit.head(), before);
});

vectors("errors", (t, it) => {
  const type = keywright[it.js];
  assert.equal(Object.getPrototypeOf(type), KeywrightError);
  assert.equal(type.prototype.name, it.js);
});

test("every class and every code of an error is in the vectors", () => {
  const cases = read("errors.json").tests;
  const types = readFileSync(new URL("../../bindings-node/lib/index.d.cts", import.meta.url), "utf8");
  const words = (name) => types.match(new RegExp(`export type ${name} =([^;]*);`))[1].match(/\w+/g);
  const of = (kind, name) => cases.filter((it) => it.kind === kind).map((it) => it[name]).sort();
  assert.deepEqual(words("ErrorCode").sort(), of("error", "code"));
  assert.deepEqual(words("DenialCode").sort(), of("decision", "code"));
  const classes = Object.keys(keywright).filter((name) => Object.getPrototypeOf(keywright[name]) === KeywrightError);
  assert.deepEqual(classes.sort(), [...of("error", "js"), "Denied"].sort());
  const declared = [...types.matchAll(/export class (\w+) extends KeywrightError/g)].map((it) => it[1]);
  assert.deepEqual(declared.sort(), classes);
});

vectors("stored_rows", async (t, it) => {
  const kw = open(t, it.config);
  await plant(kw, it.row);
  check(plain(await kw.verify(value(it.text))), it.expect);
});
