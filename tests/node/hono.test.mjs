import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { getApiKey, guard } from "keywright/hono";
import { PATIENCE, asks, engine, managers } from "./fixture.mjs";

/** An application that listens, and what asks it. */
const served = (t, app) => asks(t, createAdaptorServer({ fetch: app.fetch }));

async function reader(kw, more) {
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read", ...more });
  return { headers: { "api-key": api_key } };
}

test("headers are added to whatever the host answers", async (t) => {
  const kw = engine(t);
  const key = await reader(kw);
  const app = new Hono();
  app.use(guard(kw));
  app.get("/thrown", () => {
    throw new Error("on purpose");
  });
  app.get("/teapot", () => {
    throw new HTTPException(418, { res: new Response("teapot", { status: 418, headers: { vary: "accept" } }) });
  });
  app.get("/fixed", () => Response.redirect("http://elsewhere/", 302));
  app.get("/own", (c) => c.json({}, 201, { "cache-control": "private", vary: "accept" }));
  app.get("/stream", () => new Response(ReadableStream.from([Buffer.from("one "), Buffer.from("two")])));
  app.onError((error, c) => (error instanceof HTTPException ? error.getResponse() : c.text("broken", 500)));
  const ask = await served(t, app);
  for (const [path, status, cache, vary] of [
    ["/thrown", 500, "no-store"],
    ["/teapot", 418, "no-store", "accept, authorization, api-key, x-api-key"],
    ["/unknown", 404, "no-store"],
    ["/%zz", 404, "no-store"],
    ["/fixed", 302, "no-store"],
    ["/own", 201, "private", "accept, authorization, api-key, x-api-key"],
    ["/stream", 200, "no-store"],
  ]) {
    const answer = await ask(path, key);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers["cache-control"], cache, path);
    assert.match(answer.headers["x-request-id"], /^[0-9a-f-]{36}$/, path);
    if (vary) assert.equal(answer.headers.vary, vary, path);
  }
  assert.equal((await ask("/stream", key)).text, "one two");
});

test("routes say what they need, wherever they are mounted", async (t) => {
  const kw = engine(t);
  const key = await reader(kw);
  const keys = guard(kw, { routes: [{ path: "/api/ruled", scopes: "deals:write" }, { path: "/api/deep/open" }] });
  const deep = new Hono().get("/open", keys, (c) => c.json({ name: getApiKey(c).name }));
  const api = new Hono()
    .all("/manage/*", keys.management({ principal: managers }))
    .get("/read", keys.requires("deals:read"), (c) => c.json({ name: c.var.keywright.key.name }))
    .get("/write", keys.requires("deals:write"), (c) => c.text("written"))
    .get("/ruled", keys, (c) => c.text("ruled"))
    .get("/free", (c) => c.json({ key: getApiKey(c) }))
    .route("/deep", deep);
  const ask = await served(t, new Hono().route("/api", api));
  const statuses = async (path) => [(await ask(path)).status, (await ask(path, key)).status];
  assert.deepEqual(await statuses("/api/read"), [401, 200]);
  assert.deepEqual(await statuses("/api/write"), [401, 403]);
  assert.deepEqual(await statuses("/api/ruled"), [401, 403], "a rule is of the whole path");
  assert.deepEqual(await statuses("/api/deep/open"), [401, 200]);
  assert.deepEqual(JSON.parse((await ask("/api/free", key)).text), { key: null });
  assert.equal((await ask("/api/manage/keys")).status, 200);
});

test("a fragment in a path, which routers cut off, is refused", async (t) => {
  const keys = guard(engine(t), { routes: [{ path: "/{*rest}", access: "public" }, { path: "/deals", scopes: "deals:read" }] });
  const ask = await served(t, new Hono().use(keys).get("/deals", (c) => c.text("entered")));
  assert.deepEqual([(await ask("/deals")).status, (await ask("/deals#")).status], [401, 400]);
});

test("rules judge the path that the router gets", async (t) => {
  const kw = engine(t);
  const key = await reader(kw);
  const routes = [
    { path: "/static/{*rest}", access: "public" },
    { path: "/deals/public", access: "public" },
    { path: "/deals/{id}", scopes: "deals:read" },
    { path: "/v1/deals/{id}", scopes: "deals:read" },
  ];
  const app = (options) => {
    const made = new Hono(options).use(guard(kw, { routes }));
    for (const path of ["/static/*", "/deals/public", "/deals/:id"]) made.get(path, (c) => c.text("entered"));
    return made;
  };
  const statuses = async (ask, path) => [(await ask(path)).status, (await ask(path, key)).status];
  const plain = await served(t, app());
  for (const [path, expected] of [
    ["/static/x", [200, 200]],
    ["/static/a%20b", [200, 200]],
    ["/deals/%E2%82%AC", [401, 200]],
    ["/deals/public", [200, 200]],
    ["/deals/PUBLIC", [401, 200]],
    ["/static/../deals/7", [400, 400]],
  ]) {
    assert.deepEqual(await statuses(plain, path), expected, path);
  }
  const moved = await served(t, app({ getPath: (request) => new URL(request.url).pathname.replace("/static/in", "/deals") }));
  assert.deepEqual(await statuses(moved, "/static/in/7"), [401, 200]);
  const based = await served(t, new Hono().basePath("/v1").use(guard(kw, { routes })).get("/deals/:id", (c) => c.text("entered")));
  assert.deepEqual(await statuses(based, "/v1/deals/7"), [401, 200]);
  // A mounted application gets a request of its own, with the rest of the path.
  const mounted = await served(t, new Hono().mount("/static", app().fetch));
  assert.deepEqual(await statuses(mounted, "/static/deals/7"), [401, 200]);
});

test("a request that a host makes of another is judged by where it leads", async (t) => {
  const keys = guard(engine(t), { routes: [{ path: "/old/{*rest}", access: "public" }, { path: "/deals", scopes: "deals:read" }] });
  const app = new Hono();
  app.all("/old/*", (c) => app.fetch(new Request(new URL("/deals", c.req.url), c.req.raw), c.env));
  app.use(keys);
  app.get("/deals", (c) => c.text("entered"));
  const ask = await served(t, app);
  assert.equal((await ask("/old/deals")).status, 401);
});

test("management reads its body by itself, up to its limit, below a path with parameters too", { timeout: PATIENCE }, async (t) => {
  const app = new Hono();
  app.use(async (c, next) => {
    c.header("x-own", "yes");
    await next();
  });
  app.all("/tenants/:tenant/*", guard(engine(t)).management({ principal: managers }));
  const ask = await served(t, app);
  const made = (body) => ask("/tenants/acme/keys", { method: "POST", headers: { "content-type": "application/json" }, body });
  const answer = await made('{"name": "CI"}');
  assert.equal(answer.status, 201);
  assert.equal(answer.headers["x-own"], "yes");
  assert.match(JSON.parse(answer.text).api_key, /^liq_live_/);
  assert.equal((await made('{"name": "a", "name": "b"}')).status, 400);
  assert.equal((await made(JSON.stringify({ name: "x".repeat(70_000) }))).status, 413);
  const endless = new Readable({ read: (size) => void endless.push(Buffer.alloc(size)) });
  assert.equal((await made(endless)).status, 413);
  assert.equal((await ask("/tenants/a/keys?limit=1")).status, 200);
  assert.equal((await ask("/tenants/a/x/../keys")).status, 404, "below it, and not where a URL would lead");
});

test("what is sent again under one key is done once, and anew where it failed", async (t) => {
  const kw = engine(t);
  const { headers } = await reader(kw);
  let count = 0;
  const app = new Hono();
  app.post("/deals", guard(kw).requires("deals:read", { idempotent: true }), async (c) => {
    count++;
    const { fails } = await c.req.json();
    // Hono makes a response of errors alone.
    if (fails) throw "on purpose";
    return c.json({ count }, 201, { vary: "accept" });
  });
  const ask = await served(t, app);
  const made = (name, body) => ask("/deals", { method: "POST", headers: { ...headers, "idempotency-key": name }, body: JSON.stringify(body) });
  const [first, again] = [await made("a", {}), await made("a", {})];
  assert.deepEqual([first.status, first.text, again.status, again.text], [201, '{"count":1}', 201, '{"count":1}']);
  assert.match(first.headers.vary, /^accept, authorization/);
  assert.equal((await made("a", { other: 1 })).status, 422);
  assert.deepEqual([(await made("b", { fails: 1 })).status, (await made("b", { fails: 1 })).status, count], [500, 500, 3]);
});

test("an address is the socket's, or what the host says, and never a guess", async (t) => {
  const kw = engine(t);
  const { headers } = await reader(kw, { networks: ["127.0.0.1"] });
  const there = new Hono().use(guard(kw)).get("/", (c) => c.text("entered"));
  assert.equal((await (await served(t, there))("/", { headers })).status, 200);
  assert.equal((await there.request("/", { headers })).status, 403, "a request without a socket has no address");
  const told = new Hono().use(guard(kw, { peer: (c) => c.env.from })).get("/", (c) => c.text("entered"));
  assert.equal((await told.request("/", { headers }, { from: "127.0.0.1" })).status, 200);
  assert.equal((await told.request("/", { headers }, { from: "127.0.0.2" })).status, 403);
  assert.throws(() => guard(kw, { peer: "127.0.0.1" }), TypeError);
});

test("a principal that fails is the host's error; an engine that is closed is unavailable; options; it tells why", async (t) => {
  const kw = engine(t);
  const keys = guard(kw);
  const app = new Hono();
  app.all("/odd/*", keys.management({ principal: () => ({ org: "a b" }) }));
  app.all("/nobody/*", keys.management({ principal: () => null }));
  app.get("/", keys, async (c) => c.json(await keys.explain(c)));
  app.onError((_error, c) => c.text("broken", 500));
  assert.equal((await app.request("/odd/keys")).status, 500);
  assert.equal((await app.request("/nobody/keys")).status, 401);
  assert.throws(() => guard(kw, { trusted_proxies: [] }), { field: "trusted_proxies" });
  assert.throws(() => keys.requires("deals"), { field: "scopes" });
  const key = await reader(kw);
  assert.equal((await (await app.request("/", key)).json()).allowed, true);
  await kw.close();
  const closed = await app.request("/", key);
  assert.deepEqual([closed.status, closed.headers.get("retry-after")], [503, "1"]);
});
