import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { getApiKey, getCaller, guard, register, withKeywright } from "keywright/next";
import { asks, engine, managers } from "./fixture.mjs";

const asked = (path, init) => new Request(`http://localhost:3000${path}`, init);

/** Does what a Next server does around a route: it makes a new request, and loses some of the original one. */
function serving(route) {
  return createServer(async (incoming, outgoing) => {
    const request = asked(incoming.url, { method: incoming.method, headers: incoming.headers });
    incoming.url = new URL(request.url).pathname;
    const response = await route(request);
    outgoing.writeHead(response.status).end(await response.text());
  });
}

async function reader(kw, more) {
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read", ...more });
  return { "api-key": api_key };
}

test("a route handler needs a key, and its response gets our headers", async (t) => {
  const kw = engine(t);
  const headers = await reader(kw);
  const keys = guard(kw, { routes: [{ path: "/ruled", scopes: "deals:write" }, { path: "/open", access: "public" }] });
  const handler = async (request, context) => {
    const { name } = getApiKey(request) ?? { name: null };
    const body = { name, org: getCaller(request).org, id: (await context?.params)?.id };
    return Response.json(body, { status: 201, headers: { vary: "accept", "cache-control": "private" } });
  };
  const GET = keys.withApiKey(handler, "deals:read");
  const answer = await GET(asked("/deals", { headers }), { params: Promise.resolve({ id: "7" }) });
  assert.deepEqual([answer.status, await answer.json()], [201, { name: "CI", org: "default", id: "7" }]);
  assert.equal(answer.headers.get("vary"), "accept, authorization, api-key, x-api-key");
  assert.equal(answer.headers.get("cache-control"), "private");
  const refused = await GET(asked("/deals"));
  assert.deepEqual([refused.status, refused.headers.get("www-authenticate")], [401, 'Bearer realm="api"']);
  assert.equal((await keys.withApiKey(handler, "deals:write")(asked("/deals", { headers }))).status, 403);
  assert.equal((await keys.withApiKey(handler)(asked("/ruled", { headers }))).status, 403);
  assert.deepEqual(await (await keys.withApiKey(handler)(asked("/open"))).json(), { name: null, org: null });
  assert.equal(getApiKey(asked("/deals")), null);
  await assert.rejects(keys.withApiKey(async () => Promise.reject(new Error("on purpose")), [])(asked("/", { headers })), /on purpose/);
});

test("a guard behind a guard counts once", async (t) => {
  const kw = engine(t);
  const headers = await reader(kw, { limits: { per_minute: 1 } });
  const keys = guard(kw);
  const handler = () => new Response("entered");
  const twice = keys.withApiKey(keys.withApiKey(handler, "deals:read"));
  assert.equal((await twice(asked("/deals", { headers }))).status, 200);
  assert.equal((await twice(asked("/deals", { headers }))).status, 429);
  const narrow = keys.withApiKey(keys.withApiKey(handler, "deals:write"));
  assert.equal((await narrow(asked("/deals", { headers: await reader(kw) }))).status, 403);
});

test("what came over the socket counts where it is known, and nothing is guessed where it is not", async (t) => {
  const kw = engine(t);
  const headers = await reader(kw, { networks: ["127.0.0.1"] });
  const keys = guard(kw, { routes: [{ path: "/{*rest}" }] });
  const route = keys.withApiKey(() => new Response("entered"));
  assert.equal((await route(asked("/a", { headers }))).status, 403, "there is no address without a socket");
  const told = guard(kw, { peer: () => "127.0.0.1" }).withApiKey(() => new Response("entered"));
  assert.equal((await told(asked("/a", { headers }))).status, 200);
  register();
  register();
  const ask = await asks(t, serving(route));
  assert.equal((await ask("/a", { headers })).status, 200);
  assert.equal((await ask("/a/../b", { headers })).status, 400, "the path as it came");
  assert.equal((await ask("/a", { headers: { authorization: [`Bearer ${headers["api-key"]}`, "Bearer x"] } })).status, 400);
  const elsewhere = await asks(t, serving((request) => route(new Request(new URL("/c", request.url), request))));
  assert.equal((await elsewhere("/a/../b", { headers })).status, 200, "a request that a host makes of another is judged by itself");
});

test("what is sent again under one key is done once, and anew where it failed", async (t) => {
  const kw = engine(t);
  const headers = await reader(kw);
  let count = 0;
  const handler = async (request) => {
    count++;
    const { fails } = await request.json();
    if (fails) throw new Error("on purpose");
    return Response.json({ count }, { status: 201 });
  };
  const POST = guard(kw).withApiKey(handler, "deals:read", { idempotent: true });
  const made = (name, body) =>
    POST(asked("/deals", { method: "POST", headers: { ...headers, "idempotency-key": name }, body: JSON.stringify(body) }));
  assert.deepEqual(await (await made("a", {})).json(), { count: 1 });
  assert.deepEqual(await (await made("a", {})).json(), { count: 1 });
  assert.equal((await made("a", { other: 1 })).status, 422);
  await assert.rejects(made("b", { fails: 1 }), /on purpose/);
  await assert.rejects(made("b", { fails: 1 }), /on purpose/);
  assert.equal(count, 3);
});

test("management below its mount", async (t) => {
  const keys = guard(engine(t));
  const { GET, POST, HEAD, OPTIONS } = keys.management({ mount: "/api/manage", principal: managers });
  const body = (it) => ({ method: "POST", headers: { "content-type": "application/json" }, body: it });
  const made = await POST(asked("/api/manage/keys", body('{"name": "CI"}')));
  assert.equal(made.status, 201);
  assert.match((await made.json()).api_key, /^liq_live_/);
  assert.equal((await POST(asked("/api/manage/keys", body('{"name": "a", "name": "b"}')))).status, 400);
  assert.equal((await POST(asked("/api/manage/keys", body(JSON.stringify({ name: "x".repeat(70_000) }))))).status, 413);
  assert.equal((await (await GET(asked("/api/manage/keys?limit=1"))).json()).data.length, 1);
  assert.equal((await GET(asked("/api/manage"))).status, 404);
  const head = await HEAD(asked("/api/manage/keys", { method: "HEAD" }));
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  assert.equal(typeof OPTIONS, "function");
  const nobody = keys.management({ mount: "/", principal: () => null });
  assert.equal((await nobody.GET(asked("/keys"))).status, 401);
  await assert.rejects(keys.management({ mount: "/", principal: () => ({ org: "a b" }) }).GET(asked("/keys")));
});

test("configurations", async () => {
  assert.deepEqual(withKeywright(), { serverExternalPackages: ["keywright"] });
  const given = { output: "standalone", serverExternalPackages: ["sharp"] };
  const wanted = { output: "standalone", serverExternalPackages: ["sharp", "keywright"] };
  assert.deepEqual(withKeywright(given), wanted);
  assert.deepEqual(await withKeywright(async (phase) => (assert.equal(phase, "build"), given))("build"), wanted);
});

test("wrong options are refused when a guard is made, an engine that is closed is unavailable, and it tells why", async (t) => {
  const kw = engine(t);
  assert.throws(() => guard(kw, { trusted_proxies: [] }), { field: "trusted_proxies" });
  assert.throws(() => guard(kw, { peer: "127.0.0.1" }), TypeError);
  const keys = guard(kw);
  assert.throws(() => keys.withApiKey(() => null, "deals"), { field: "scopes" });
  assert.throws(() => keys.management(), TypeError);
  const headers = await reader(kw);
  assert.equal((await keys.explain(asked("/", { headers }))).allowed, true);
  await kw.close();
  const closed = await keys.withApiKey(() => new Response())(asked("/", { headers }));
  assert.deepEqual([closed.status, closed.headers.get("retry-after")], [503, "1"]);
});
