// `Client` with `keywright serve`, and with servers that fail.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import * as keywright from "keywright";
import { folder, PATIENCE, PEPPER, until } from "./fixture.mjs";

const { Client, Keywright } = keywright;
const PROGRAM = fileURLToPath(new URL("../../bindings-node/bin/keywright.cjs", import.meta.url));
const ALL = "keys:manage,keys:credit,keys:verify,audit:read,deals:read,deals:write,documents:write";

/** A server, an engine on its database, and what makes clients of it. */
async function site(t, options = {}) {
  const path = folder(t);
  const idStyle = options.idStyle ?? "uuid";
  const settings = [
    'url = "sqlite:keys.db"',
    'brand = "acme"',
    `pepper = "${PEPPER}"`,
    `id_style = "${idStyle}"`,
    "[server]",
    'listen = "127.0.0.1:0"',
    'log = "off"',
  ];
  writeFileSync(join(path, "keywright.toml"), settings.join("\n"), { mode: 0o600 });
  const engine = new Keywright(`sqlite:${join(path, "keys.db")}`, { brand: "acme", pepper: PEPPER, idStyle });
  t.after(() => engine.close());
  const manager = await engine.keys.create({ name: "manager", scopes: ALL });
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("KEYWRIGHT_")));
  const server = spawn(process.execPath, [PROGRAM, "serve"], { cwd: path, env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  server.stderr.setEncoding("utf8").on("data", (part) => (said += part));
  let ended = false;
  server.on("exit", () => (ended = true));
  const stop = async () => {
    server.kill("SIGTERM");
    await until("the server ends", () => ended);
  };
  t.after(stop);
  await until(`the server listens`, () => said.includes("\n") || ended);
  assert.ok(!ended, said);
  const url = said.split("\n")[0].split(" ").at(-1);
  const open = (more = {}) => new Client(url, { apiKey: manager.api_key, timeout: "5m", ...more });
  return { engine, url, manager, open, stop, client: open() };
}

test("records are those of the engine", { timeout: PATIENCE }, async (t) => {
  const { client, engine } = await site(t);
  const expires_at = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 86_400_000);
  const made = await client.keys.create({ name: "CI", scopes: ["deals:read"], metadata: { team: [1, 2.5] }, limits: { own: 100 }, expires_at });
  assert.ok(made instanceof keywright.NewKey && made.expires_at.getTime() === expires_at.getTime());
  assert.ok(!inspect(made).includes(made.api_key) && made.reveal().api_key === made.api_key);
  const same = async (key) => {
    assert.deepEqual(key, await engine.keys.get(made.id));
    assert.deepEqual(Object.keys(key), Object.keys(await engine.keys.get(made.id)));
  };
  await same(await client.keys.get(made.id));
  await same(await client.keys.update(made.id, { name: "CD", metadata: {}, limits: null }));
  const rotated = await client.keys.rotate(made.id, { grace: "2h" });
  assert.equal(rotated.secrets.length, 2);
  assert.equal((await client.keys.endGrace(made.id)).secrets.length, 1);
  assert.equal((await client.keys.disable(made.id, { reason: "a test" })).status, "disabled");
  assert.equal((await client.keys.enable(made.id)).status, "active");
  await client.keys.update(made.id, { quotas: { credits: { amount: 10 } } });
  await assert.rejects(client.keys.credit(made.id, { amount: 9 }), { code: "forbidden", message: /use a session/ });
  const told = await client.keys.attest(made.id, { agent: "robot", claims: { model: "m" } });
  assert.deepEqual(told.map((it) => it.action), ["agent.attest"]);
  const decision = await client.verify(rotated.api_key, { agent: "robot" });
  assert.deepEqual([decision.agent, decision.quotas[0].remaining], ["robot", 9]);
  assert.equal((await client.keys.revoke(made.id)).status, "revoked");
  const agents = await client.keys.agents(made.id);
  assert.ok(agents[0] instanceof keywright.AgentUsage);
  assert.deepEqual(agents.map((it) => [it.agent, it.usage_count]), [["robot", 1]]);
  const entries = await client.audit.list({ key_id: made.id, limit: 3 });
  assert.deepEqual(entries.data, (await engine.audit.list({ key_id: made.id, limit: 3 })).data);
});

test("pages turn by themselves", { timeout: PATIENCE }, async (t) => {
  const { client } = await site(t);
  const made = [];
  for (let number = 0; number < 7; number++) made.unshift((await client.keys.create({ name: `Key ${number}` })).id);
  const page = await client.keys.list({ limit: 3 });
  assert.ok(page instanceof keywright.Page && page.has_more && page.data.length === 3);
  const seen = [];
  for await (const key of client.keys.list({ limit: 3 })) seen.push(key.id);
  assert.deepEqual(seen.slice(0, 7), made);
});

test("errors are those of the engine", { timeout: PATIENCE }, async (t) => {
  const { client, engine, open } = await site(t);
  const { id } = await engine.keys.create({ name: "CI" });
  await engine.keys.revoke(id);
  for (const [call, Class, field] of [
    [() => client.keys.get("0197a1b2-0000-7000-8000-000000000001"), keywright.NotFound],
    [() => client.keys.get("../orgs"), keywright.NotFound],
    [() => client.keys.create({ name: "" }), keywright.ValidationFailed, "name"],
    [() => client.keys.create({ nmae: "CI" }), keywright.InvalidRequest, "nmae"],
    [() => client.keys.create({ name: "CI", metadata: { x: NaN } }), keywright.ValidationFailed, "x"],
    [() => client.keys.create({ name: "CI" }, {}), keywright.InvalidRequest, "arguments"],
    [() => client.keys.get(true), keywright.InvalidRequest, "id"],
    [() => client.keys.rotate(id), keywright.Conflict],
    [() => client.verify(7), keywright.InvalidRequest, "text"],
    [() => client.verify("x", { scopes: [] }), keywright.KeywrightError, "scopes"],
    [() => client.orgs.list(), keywright.Denied],
    [() => open({ apiKey: "acme_live_nonsense" }).keys.list(), keywright.Denied],
  ]) {
    const error = await call().then(
      () => assert.fail(`${call} did not fail`),
      (error) => error,
    );
    assert.ok(error instanceof Class, `${call}: ${error}`);
    if (field !== undefined) assert.equal(error.field, field);
  }
});

test("keys are verified", { timeout: PATIENCE }, async (t) => {
  const { client, engine, open, stop } = await site(t);
  const key = await engine.org("acme").keys.create({ name: "CI", scopes: "deals:read" });
  const decision = await client.verify(key.api_key, { scopes: "deals:read" });
  assert.ok(decision.allowed && decision.key instanceof keywright.Key && decision.key.org === "acme");
  assert.equal((await client.authenticate(Buffer.from(key.api_key))).id, key.id);
  for (const [text, request, code] of [
    [key.api_key, { scopes: ["deals:write"] }, "insufficient_scope"],
    [null, {}, "missing"],
    ["", {}, "invalid"],
    ["\udc80", {}, "invalid"],
  ]) {
    assert.equal((await client.verify(text, request)).code, code);
    await assert.rejects(client.authenticate(text, request), (error) => error instanceof keywright.Denied && error.code === code);
  }
  assert.ok((await client.org("acme").verify(key.api_key)).allowed);
  assert.equal((await client.org("other").verify(key.api_key)).code, "invalid");
  await assert.rejects(open({ apiKey: "acme_live_nonsense" }).authenticate(key.api_key), keywright.Forbidden);
  const known = open({ maxStaleness: "1h" });
  assert.ok((await known.verify(key.api_key)).allowed);
  assert.ok((await known.verify(key.api_key, { scopes: new Set(["deals:read"]) })).allowed);
  assert.equal((await known.verify(key.api_key, { scopes: new Set(["deals:write"]) })).code, "insufficient_scope");
  await engine.org("acme").keys.revoke(key.id);
  assert.ok((await known.verify(key.api_key)).allowed);
  assert.equal((await known.verify(key.api_key, { cost: 1 })).code, "revoked");
  assert.equal((await client.verify(key.api_key)).code, "revoked");
  const own = await known.keys.create({ name: "own" });
  assert.ok((await known.verify(own.api_key)).allowed);
  await known.keys.revoke(own.id);
  assert.equal((await known.verify(own.api_key)).code, "revoked", "a change by the client forgets its decisions");
  await stop();
  assert.equal((await open({ retries: 0 }).verify("acme_live_x")).code, "unavailable");
  await assert.rejects(open({ retries: 0 }).keys.list(), keywright.Unavailable);
});

test("a key that expires is not remembered as allowed", { timeout: PATIENCE }, async (t) => {
  const { engine, manager, url } = await site(t);
  const key = await engine.keys.create({ name: "CI" });
  const headers = { authorization: `Bearer ${manager.api_key}`, "content-type": "application/json" };
  const allowed = await (await fetch(`${url}/verify`, { method: "POST", headers, body: JSON.stringify({ api_key: key.api_key }) })).json();
  allowed.key.expires_at = "2026-01-01T00:00:00.000Z";
  const answers = [allowed, { ...allowed, allowed: false, code: "expired", key: null }];
  const server = createServer((request, response) => response.end(JSON.stringify(answers.shift())));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const known = new Client(`http://127.0.0.1:${server.address().port}`, { apiKey: "acme_live_own", timeout: "5m", maxStaleness: "1h" });
  assert.ok((await known.verify(key.api_key)).allowed);
  assert.equal((await known.verify(key.api_key)).code, "expired");
});

test("the seed runs as typed", { timeout: PATIENCE }, async (t) => {
  const { manager, url } = await site(t, { idStyle: "integer" });
  const LendIQ = keywright.Client;
  process.env.KEYWRIGHT_SERVER_URL = url;
  t.after(() => delete process.env.KEYWRIGHT_SERVER_URL);
  const client = new LendIQ({ apiKey: manager.api_key });
  const newKey = await client.keys.create({
    name: "Production Integration",
    scopes: "deals:read,deals:write,documents:write",
    expires_in_days: 365,
  });
  assert.ok(newKey.api_key.startsWith("acme_live_") && typeof newKey.id === "number" && newKey.expires_at instanceof Date);
  const keys = await client.keys.list();
  assert.deepEqual(keys.data.map((key) => key.name), ["Production Integration", "manager"]);
  await client.keys.revoke(newKey.id);
  assert.equal((await client.keys.get(newKey.id)).status, "revoked");
  await client.close();
  await assert.rejects(client.keys.list(), keywright.Closed);
});

const EMPTY = { status: 200, body: { data: [], has_more: false, next_cursor: null } };
const BUSY = { status: 503, wait: "0", body: { code: "UNAVAILABLE", message: "later" } };
const LIMITED = { status: 429, wait: "0", body: { code: "RATE_LIMITED", message: "later" } };
const LONG = { status: 429, wait: "3600", body: { code: "RATE_LIMITED", message: "in an hour" } };
const PAST = { status: 429, wait: "Wed, 21 Oct 2015 07:28:00 GMT", body: { code: "RATE_LIMITED", message: "now" } };
const FAR = { status: 503, wait: "Fri, 31 Dec 2100 23:59:59 GMT", body: { code: "UNAVAILABLE", message: "in years" } };
const PROXY = { status: 502, body: "<html>Bad Gateway</html>" };
// Of a proxy, which may have sent the request to a server that ended.
const OUTAGE = { status: 503, body: "upstream connect error or disconnect/reset before headers" };
const RUNS = { status: 409, wait: "0", body: { code: "IN_PROGRESS", message: "still running" } };
const REPLAYED = { status: 201, body: { id: "7", name: "CI", api_key: null } };
const LOST = null;

for (const [name, answers, act, found] of [
  ["a list", [BUSY, LIMITED, EMPTY], (it) => it.keys.list()],
  ["a list that is lost", [LOST, LOST, EMPTY], (it) => it.keys.list()],
  ["a create", [PROXY, RUNS, REPLAYED], (it) => it.keys.create({ name: "CI" }), keywright.Conflict],
  ["an update that is lost", [LOST], (it) => it.keys.update("7", { name: "CI" }), keywright.Unavailable],
  ["an update that a proxy lost", [OUTAGE], (it) => it.keys.update("7", { name: "CI" }), keywright.Unavailable],
  ["a list that a proxy lost", [OUTAGE, PAST, EMPTY], (it) => it.keys.list()],
  ["a wait until a date", [FAR], (it) => it.keys.list(), keywright.Unavailable],
  ["a verification that a proxy lost", [OUTAGE], (it) => it.authenticate("acme_live_secret"), keywright.Denied],
  ["a long wait", [LONG], (it) => it.keys.list(), keywright.Denied],
  ["a busy server", [BUSY, BUSY, BUSY], (it) => it.keys.list(), keywright.Unavailable],
  ["a redirect", [{ status: 302, body: "" }], (it) => it.keys.list(), keywright.Unavailable],
  ["a verification that is lost", [LOST], (it) => it.authenticate("acme_live_secret"), keywright.Denied],
  ["a verification", [BUSY, LIMITED, BUSY], (it) => it.authenticate("acme_live_secret"), keywright.Denied],
]) {
  test(`${name} is sent again where that is safe`, { timeout: PATIENCE }, async (t) => {
    const requests = [];
    const server = createServer((request, response) => {
      const answer = answers[requests.length];
      requests.push(request.headers);
      if (answer === LOST) return request.socket.destroy();
      const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
      response.writeHead(answer.status, { connection: "close", ...(answer.wait ? { "retry-after": answer.wait } : {}) }).end(text);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const client = new Client(`http://127.0.0.1:${server.address().port}`, { apiKey: "acme_live_own", timeout: "5m" });
    const got = await Promise.resolve(act(client)).catch((error) => error);
    if (found) assert.ok(got instanceof found, String(got));
    else assert.deepEqual(got.data, []);
    assert.equal(requests.length, answers.length);
    const names = requests.map((headers) => headers["idempotency-key"]);
    assert.equal(new Set(names).size, 1);
    assert.ok(requests.every((headers) => headers.authorization === "Bearer acme_live_own"));
    for (const shown of [inspect(client, { depth: 9 }), inspect(got, { depth: 9 }), JSON.stringify(client)]) {
      assert.ok(!shown.includes("acme_live_own") && !shown.includes("acme_live_secret"), shown);
    }
  });
}

test("an answer without an end is given up", { timeout: PATIENCE }, async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-length": 1_000_000 });
    // Each part comes in time, and the whole never does.
    const drip = setInterval(() => response.write("x"), 20);
    response.on("close", () => clearInterval(drip));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const client = new Client(`http://127.0.0.1:${server.address().port}`, { apiKey: "acme_live_own", timeout: "1s", retries: 0 });
  await assert.rejects(client.keys.list(), { code: "unavailable", message: /did not answer in time/ });
});

test("no redirect takes the key elsewhere", { timeout: PATIENCE }, async (t) => {
  let reached = 0;
  const elsewhere = createServer((request, response) => {
    reached += 1;
    response.end('{"data": [], "has_more": false}');
  });
  let status;
  const server = createServer((request, response) => {
    assert.equal(request.headers.authorization, "Bearer acme_live_own");
    response.writeHead(status, { location: `http://127.0.0.1:${elsewhere.address().port}/keys` }).end();
  });
  for (const it of [server, elsewhere]) {
    it.listen(0, "127.0.0.1");
    await once(it, "listening");
    t.after(() => it.close());
  }
  const client = new Client(`http://127.0.0.1:${server.address().port}`, { apiKey: "acme_live_own", timeout: "5m", retries: 0 });
  for (status of [301, 302, 303, 307, 308]) {
    const refused = { code: "unavailable", message: new RegExp(`answered ${status}`) };
    await assert.rejects(client.keys.list(), refused);
    await assert.rejects(client.keys.create({ name: "CI" }), refused);
    const decision = await client.verify("acme_live_secret");
    assert.equal(decision.code, "unavailable");
  }
  assert.equal(reached, 0);
});

test("wrong options are refused", () => {
  for (const [field, ...given] of [
    ["url", "ftp://x"],
    ["url", "https://user:hush@host"],
    ["url", 7],
    ["apiKey", { apiKey: undefined }],
    ["apiKey", { apiKey: "" }],
    ["apiKey", { apiKey: "a\nb" }],
    ["timeout", { timeout: 5 }],
    ["timeout", { timeout: "0s" }],
    ["retries", { retries: 11 }],
    ["maxStaleness", { maxStaleness: "2" }],
    ["maxStaleness", { maxStaleness: "2h" }],
    ["apikey", { apikey: "x" }],
  ]) {
    assert.throws(
      () => new Client(...given),
      (error) => error.field === field && !error.message.includes("hush"),
      `${field}: ${JSON.stringify(given)}`,
    );
  }
});

