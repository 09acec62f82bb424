import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import Fastify from "fastify";
import { Keywright } from "keywright";
import { getApiKey, guard } from "keywright/fastify";
import { PATIENCE, PEPPER, asks, engine, managers, url } from "./fixture.mjs";

/** An application that listens, and what asks it. */
async function served(t, app) {
  await app.ready();
  return asks(t, app.server);
}

async function reader(kw) {
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read" });
  return { headers: { "api-key": api_key } };
}

test("headers are added to whatever the host answers", async (t) => {
  const kw = engine(t);
  const key = await reader(kw);
  const keys = guard(kw);
  const app = Fastify({ frameworkErrors: keys.frameworkErrors });
  app.register(keys);
  app.get("/thrown", async () => {
    throw new Error("on purpose");
  });
  app.get("/valid", { schema: { querystring: { type: "object", required: ["page"] } } }, async () => ({}));
  app.get("/raw", (_request, reply) => {
    reply.hijack();
    reply.raw.writeHead(201, { "cache-control": "private", vary: "accept" }).end();
  });
  app.get("/later", async (_request, reply) => {
    reply.header("vary", "accept");
    return "later";
  });
  app.post("/read", async ({ body }) => body);
  const ask = await served(t, app);
  for (const [path, status, cache, vary] of [
    ["/thrown", 500, "no-store"],
    ["/valid", 400, "no-store"],
    ["/unknown", 404, "no-store"],
    ["/%zz", 400, "no-store"],
    ["/raw", 201, "private", "accept, authorization, api-key, x-api-key"],
    ["/later", 200, "no-store", "accept, authorization, api-key, x-api-key"],
  ]) {
    const answer = await ask(path, key);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers["cache-control"], cache, path);
    assert.match(answer.headers["x-request-id"], /^[0-9a-f-]{36}$/, path);
    if (vary) assert.equal(answer.headers.vary, vary, path);
  }
  // Nobody's body is read before it is known who sends it.
  assert.equal((await ask("/read", { method: "POST", headers: { "content-type": "application/json" }, body: "{" })).status, 401);
  const broken = { method: "POST", headers: { ...key.headers, "content-type": "application/json" }, body: "{" };
  const refused = await ask("/read", broken);
  assert.deepEqual([refused.status, refused.headers["cache-control"]], [400, "no-store"]);
});

test("a guard holds in its own scope and below, management beside it answers by itself", async (t) => {
  const kw = engine(t);
  const key = await reader(kw);
  const keys = guard(kw, { routes: [{ path: "/api/ruled", scopes: "deals:write" }, { path: "/api/deep/open" }] });
  const app = Fastify();
  app.register(
    async (api) => {
      api.register(keys);
      api.get("/ruled", async () => "ruled");
      api.register(async (deep) => void deep.get("/open", async (request) => ({ name: getApiKey(request).name })), { prefix: "/deep" });
      api.register(keys.management({ principal: managers }), { prefix: "/manage" });
    },
    { prefix: "/api" },
  );
  app.get("/read", { onRequest: keys.requires("deals:read") }, async (request) => ({ name: getApiKey(request).name }));
  app.get("/write", { onRequest: keys.requires("deals:write") }, async () => "written");
  app.get("/free", async (request) => ({ key: getApiKey(request) }));
  const ask = await served(t, app);
  const statuses = async (path) => [(await ask(path)).status, (await ask(path, key)).status];
  assert.deepEqual(await statuses("/api/ruled"), [401, 403]);
  assert.deepEqual(await statuses("/api/deep/open"), [401, 200]);
  assert.deepEqual(await statuses("/read"), [401, 200]);
  assert.deepEqual(await statuses("/write"), [401, 403]);
  assert.deepEqual(JSON.parse((await ask("/read", key)).text), { name: "CI" });
  assert.deepEqual(JSON.parse((await ask("/free", key)).text), { key: null }, "nothing is judged outside");
  assert.equal((await ask("/api/manage/keys")).status, 200, "management needs no rule");
});

test("a fragment in a path, which routers cut off, is refused", async (t) => {
  const app = Fastify();
  app.register(guard(engine(t), { routes: [{ path: "/{*rest}", access: "public" }, { path: "/deals", scopes: "deals:read" }] }));
  app.get("/deals", async () => "entered");
  const ask = await served(t, app);
  assert.deepEqual([(await ask("/deals")).status, (await ask("/deals#")).status], [401, 400]);
});

test("management reads its body by itself, up to its limit, below a prefix with parameters too", async (t) => {
  const app = Fastify({ bodyLimit: 10 });
  const keys = guard(engine(t));
  app.addHook("onSend", async (_request, reply) => void reply.header("x-own", "yes"));
  app.register(keys.management({ principal: managers }), { prefix: "/tenants/:tenant/keys" });
  const ask = await served(t, app);
  const made = (body, type = "application/json") =>
    ask("/tenants/acme/keys/keys", { method: "POST", headers: { "content-type": type }, body });
  const answer = await made('{"name": "CI"}');
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["x-own"], "yes", "the host's hooks see what we answer");
  assert.match(JSON.parse(answer.text).api_key, /^liq_live_/);
  assert.equal((await made('{"name": "a", "name": "b"}')).status, 400);
  assert.equal((await made('{"name": "a", "expires_in_days": 1e400}')).status, 400);
  assert.equal((await made(JSON.stringify({ name: "x".repeat(70_000) }))).status, 413);
  assert.equal((await ask("/tenants/a/keys/keys?limit=1")).status, 200);
  assert.equal((await ask("/tenants/a/keys")).status, 404);
});

test("an upload without end is answered before it ends", { timeout: PATIENCE }, async (t) => {
  const app = Fastify();
  app.register(guard(engine(t)).management({ principal: managers }), { prefix: "/manage" });
  const ask = await served(t, app);
  const endless = new Readable({ read: (size) => void endless.push(Buffer.alloc(size)) });
  const answer = await ask("/manage/keys", { method: "POST", headers: { "content-type": "application/json" }, body: endless });
  assert.equal(answer.status, 413);
});

test("a principal that fails is the host's error, and nobody's pass", async (t) => {
  const app = Fastify();
  const keys = guard(engine(t));
  app.setErrorHandler((_error, _request, reply) => reply.code(500).send());
  const throws = () => {
    throw new Error("on purpose");
  };
  app.register(keys.management({ principal: throws }), { prefix: "/throws" });
  app.register(keys.management({ principal: () => ({ org: "a b" }) }), { prefix: "/odd" });
  app.register(keys.management({ principal: () => null }), { prefix: "/nobody" });
  const ask = await served(t, app);
  for (const path of ["/throws", "/odd"]) assert.equal((await ask(`${path}/keys`)).status, 500, path);
  assert.equal((await ask("/nobody/keys")).status, 401);
});

test("what a host has answered already stays as it is", async (t) => {
  const kw = engine(t);
  const keys = guard(kw);
  const app = Fastify();
  app.get("/", { onRequest: (request, reply, done) => (reply.code(504).send("late"), keys.requires()(request, reply, done)) }, async () => "no");
  const ask = await served(t, app);
  // The engine is not open yet: its answer comes late.
  assert.deepEqual([(await ask("/")).status, (await ask("/")).text], [504, "late"]);
});

test("an engine that is closed is unavailable, wrong options are refused, and it tells why", async (t) => {
  const kw = engine(t);
  assert.throws(() => guard(kw, { trusted_proxies: [] }), { field: "trusted_proxies" });
  assert.throws(() => guard(kw).requires("deals"), { field: "scopes" });
  const keys = guard(kw);
  const app = Fastify();
  app.register(keys);
  app.get("/", async (request) => ({ told: await keys.explain(request) }));
  const key = await reader(kw);
  const answer = await app.inject({ url: "/", headers: key.headers });
  assert.deepEqual([answer.statusCode, answer.json().told.allowed], [200, true]);
  await kw.close();
  const closed = await app.inject({ url: "/", headers: key.headers });
  assert.deepEqual([closed.statusCode, closed.headers["retry-after"]], [503, "1"]);
});

test("counts are written when the application closes", async (t) => {
  const at = url(t);
  const kw = new Keywright(at, { brand: "liq", pepper: PEPPER });
  const { headers } = await reader(kw);
  const app = Fastify();
  app.register(guard(kw));
  app.get("/", async () => "");
  assert.equal((await app.inject({ url: "/", headers })).statusCode, 200);
  await app.close();
  const other = new Keywright(at, { brand: "liq", pepper: PEPPER });
  assert.equal((await other.keys.list()).data[0].usage_count, 1);
  await other.close();
  await kw.close();

  const closed = Fastify();
  closed.register(guard(kw));
  await closed.close();
});
