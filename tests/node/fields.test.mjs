// The fields of a key: the records, the types and the wire name the same ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Http, Needs } from "keywright/http";
import { engine } from "./fixture.mjs";

const [TYPES, HTTP_TYPES] = ["index", "http"].map((name) =>
  readFileSync(new URL(`../../bindings-node/lib/${name}.d.cts`, import.meta.url), "utf8"),
);

/** The names of the properties that an interface declares itself. */
function declared(name, types = TYPES) {
  const [, body] = types.match(new RegExp(`interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`));
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map((it) => it[1]);
}

/** The names of the options that a call takes, as its refusal of another one lists them. */
async function known(call) {
  const { message } = await call({ qqqqqqqqqqqqqqqqqqqq: 1 }).catch((error) => error);
  return message.match(/known are (.*)$/)[1].split(", ").sort();
}

test("a record has the fields of the wire, in their order, and its type declares them", async (t) => {
  const kw = engine(t);
  const { id } = await kw.keys.create({ name: "CI", scopes: "deals:read", limits: { own: 10 }, quotas: { all: { amount: 9 } }, expires_in_days: 1 });
  await kw.keys.rotate(id);
  const principal = { org: "default", actor: "alice", may: ["keys:manage"] };
  const answer = await new Http(kw).manage({ method: "GET", target: `/keys/${id}`, rawHeaders: [] }, principal);
  const wire = JSON.parse(Buffer.from(answer.body).toString());
  const key = await kw.keys.get(id);
  assert.equal(JSON.stringify(key.toJSON()), JSON.stringify(wire));
  assert.deepEqual(declared("KeyFields"), Object.keys(key));
  assert.deepEqual(declared("SecretFields"), Object.keys(key.secrets[0]));
  assert.deepEqual(declared("Limit"), Object.keys(key.limits[0]));
  assert.deepEqual(declared("Quota"), Object.keys(key.quotas[0]));
});

test("the types of create, update and verify declare what the calls take", async (t) => {
  const kw = engine(t);
  const { id } = await kw.keys.create({ name: "CI" });
  const settings = declared("KeySettings");
  assert.deepEqual([...settings, ...declared("CreateKey")].sort(), await known((options) => kw.keys.create(options)));
  assert.deepEqual([...settings, ...declared("UpdateKey")].sort(), await known((options) => kw.keys.update(id, options)));
  assert.deepEqual(declared("Request").sort(), await known((options) => kw.verify("x", options)));
});

test("the type of needs declares what they take", async () => {
  const taken = await known(async (options) => Needs.of(undefined, options));
  assert.deepEqual(declared("NeedsOptions", HTTP_TYPES).sort(), taken);
});
