import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { inspect } from "node:util";
import * as keywright from "keywright";
import { ManualClock } from "keywright/testing";
import { engine, url } from "./fixture.mjs";

const require = createRequire(import.meta.url);
const { Closed, Denied, InvalidRequest, Keywright, KeywrightError, NotFound, ValidationFailed } = keywright;

test("an error has class, code, field and status", async (t) => {
  const kw = engine(t);
  const cases = [
    [() => kw.keys.create({}), InvalidRequest, "invalid_request", "name", 400],
    [() => kw.keys.create({ name: "" }), ValidationFailed, "validation_failed", "name", 400],
    [() => kw.keys.get("nobody"), NotFound, "not_found", "id", 404],
  ];
  for (const [act, type, code, field, status] of cases) {
    await assert.rejects(act, (error) => {
      assert.ok(error instanceof type && error instanceof KeywrightError && error instanceof Error);
      assert.deepEqual([error.name, error.code, error.field, error.status], [type.name, code, field, status]);
      assert.ok(error.message.startsWith(`${field}: `), error.message);
      assert.match(error.stack, /error\.test\.mjs/);
      return true;
    });
  }
});

test("an unknown option names the nearest known one", async (t) => {
  const said = (field, near) => ({ code: "invalid_request", field, message: new RegExp(`did you mean ${near}\\?`) });
  await assert.rejects(engine(t).keys.create({ nmae: "CI" }), said("nmae", "name"));
  assert.throws(() => new Keywright(url(t), { key_format: "x" }), said("key_format", "keyFormat"));
});

test("options are an object or left out", async (t) => {
  const kw = engine(t);
  const { id } = await kw.keys.create({ name: "CI" });
  for (const bad of ["compromised", 1, null, [], new Date(), () => 1]) {
    await assert.rejects(kw.keys.revoke(id, bad), { code: "invalid_request" }, inspect(bad));
    await assert.rejects(kw.verify("x", bad), { code: "invalid_request" }, inspect(bad));
  }
  assert.equal((await kw.keys.get(id)).status, "active");
  assert.throws(() => new Keywright(url(t), "liq"), { code: "invalid_request" });
  assert.throws(() => new Keywright(), { code: "invalid_request", field: "url" });
});

test("what is said of options that are no object names no option", async (t) => {
  await assert.rejects(engine(t).keys.create("CI"), ({ message }) => {
    assert.equal(message, "options: must be an object; give named options in an object");
    return true;
  });
});

test("arguments after the known ones are refused, and undefined is none", async (t) => {
  const kw = engine(t);
  const { id } = await kw.keys.create({ name: "CI" }, undefined);
  const refused = { name: "InvalidRequest", code: "invalid_request", field: "arguments", status: 400 };
  const later = [
    () => kw.keys.create({ name: "CI" }, { environment: "test" }),
    () => kw.keys.get(id, {}),
    () => kw.keys.revoke(id, { reason: "x" }, null),
    () => kw.orgs.revokeKeys("default", {}, "acme"),
    () => kw.audit.head({}),
    () => kw.audit.prune(new Date(), {}),
    () => kw.verify("x", {}, {}),
    () => kw.authenticate("x", {}, {}),
    () => kw.org("acme").verify("x", {}, {}),
    () => kw.open({}),
    () => kw.close(true),
  ];
  for (const act of later) {
    const answer = act();
    await assert.rejects(answer, refused, `${act}`);
  }
  const clock = new ManualClock();
  const atOnce = [
    () => kw.keys.list({}, {}),
    () => kw.org("acme", {}),
    () => kw.everyOrg("acme"),
    () => kw.parse("x", 0),
    () => kw.keyPattern("ere", {}),
    () => kw.redact("x", {}),
    () => clock.advance(1, "s"),
    () => new ManualClock(new Date(0), 1),
    () => new Keywright(url(t), { brand: "liq" }, {}),
  ];
  for (const act of atOnce) assert.throws(act, refused, `${act}`);
  assert.equal((await kw.keys.list()).data.length, 1);
  assert.equal((await kw.keys.get(id)).status, "active");
});

test("the constructor throws at once, and opens nothing", async (t) => {
  assert.throws(() => new Keywright(url(t), { brand: "Liq" }), { name: "ValidationFailed", field: "brand" });
  const late = new Keywright(`sqlite:${import.meta.filename}/keys.db`, { brand: "liq" });
  t.after(() => late.close());
  await assert.rejects(late.open(), { name: "Unavailable", code: "unavailable", status: 503, field: null });
});

test("authenticate gives the key, or throws with the decision", async (t) => {
  const kw = engine(t);
  const made = await kw.keys.create({ name: "CI", scopes: "deals:read" });
  assert.equal((await kw.authenticate(made.api_key, { scopes: ["deals:read"] })).id, made.id);
  await assert.rejects(kw.authenticate(made.api_key, { scopes: ["deals:write"] }), (error) => {
    assert.ok(error instanceof Denied && error instanceof KeywrightError);
    assert.deepEqual([error.name, error.code, error.status, error.field], ["Denied", "insufficient_scope", 403, null]);
    assert.deepEqual([...error.decision.missing_scopes], ["deals:write"]);
    assert.equal(error.decision.key.id, made.id);
    assert.equal(error.message, error.decision.message);
    assert.ok(!inspect(error, { depth: 9 }).includes(made.api_key));
    return true;
  });
  await assert.rejects(kw.authenticate(undefined), { code: "missing", status: 401 });
});

test("use after close is a closed error, and closing twice is none", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI" });
  await kw.close();
  await kw.close();
  const calls = [
    () => kw.keys.create({ name: "CI" }),
    () => kw.keys.list(),
    () => kw.verify(api_key),
    () => kw.authenticate(api_key),
    () => kw.orgs.get("default"),
    () => kw.audit.head(),
    () => kw.org("acme").keys.list(),
    () => kw.open(),
  ];
  for (const act of calls) await assert.rejects(act, (error) => error instanceof Closed && error.code === "closed", `${act}`);
});

test("an engine that was never opened closes too", async (t) => {
  const kw = engine(t);
  await kw.close();
  await assert.rejects(kw.verify("x"), Closed);
});

test("both module systems export the same names", () => {
  assert.deepEqual(Object.keys(keywright).sort(), Object.keys(require("keywright")).sort());
  for (const [name, it] of Object.entries(require("keywright"))) assert.equal(keywright[name], it, name);
});
