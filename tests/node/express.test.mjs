import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { test } from "node:test";
import compression from "compression";
import express from "express";
import { Keywright } from "keywright";
import { getApiKey, guard } from "keywright/express";
import { Http, Needs, authenticateRequest, manageRequest } from "keywright/http";
import { PATIENCE, PEPPER, asks, engine, managers, url } from "./fixture.mjs";

/** An application that listens, and what asks it. */
const served = (t, app) => asks(t, createServer(app));

test("headers are added whichever application answers, and whatever stands in front", async (t) => {
  const kw = engine(t);
  const headers = { "api-key": (await kw.keys.create({ name: "CI" })).api_key };
  const keys = guard(kw);
  const mounted = express().use("/guarded", keys);
  const app = express().use("/in", mounted);
  app.get("/in/guarded/parent", (_request, response) => response.end());
  app.get("/packed", compression(), (_request, _response, next) => setTimeout(next, 20), keys, (_request, response) => response.end("x"));
  app.get("/lines", keys, (_request, response) => {
    response.setHeader("x-many", "0");
    response.writeHead(200, ["x-many", "1", "x-many", "2", "set-cookie", ["a=1", "b=2"]]).end();
  });
  const ask = await served(t, app);
  const paths = ["/in/guarded/parent", "/in/guarded/nowhere", "/packed", "/packed", "/packed"];
  for (const told of await Promise.all(paths.map((path) => ask(path, { headers })))) {
    assert.deepEqual([told.headers["cache-control"], typeof told.headers["x-request-id"]], ["no-store", "string"]);
  }
  const lines = (await ask("/lines", { headers })).headers;
  assert.deepEqual([lines["x-many"], lines["set-cookie"]], ["1, 2", ["a=1", "b=2"]]);
});

test("headers are added to whatever the host answers", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read" });
  const app = express();
  const keys = guard(kw);
  app.use(keys);
  app.get("/thrown", () => {
    throw new Error("on purpose");
  });
  app.get("/rejected", async () => Promise.reject(Object.assign(new Error("teapot"), { status: 418 })));
  app.get("/head", (_request, response) => response.writeHead(201, "Made", { "cache-control": "private", vary: "accept" }).end());
  app.get("/list", (_request, response) => response.writeHead(200, ["x-one", "1", "vary", "accept"]).end());
  app.get("/stream", (_request, response) => {
    response.write("one ");
    response.end("two");
  });
  app.use((_error, _request, response, _next) => response.status(_error.status ?? 500).end());
  const ask = await served(t, app);
  const key = { headers: { "x-api-key": api_key } };
  for (const [path, status, cache, vary] of [
    ["/thrown", 500, "no-store"],
    ["/rejected", 418, "no-store"],
    ["/unknown", 404, "no-store"],
    ["/stream", 200, "no-store"],
    ["/head", 201, "private", "accept, authorization, api-key, x-api-key"],
    ["/list", 200, "no-store", "accept, authorization, api-key, x-api-key"],
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
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read" });
  const keys = guard(kw, { routes: [{ path: "/api/ruled", scopes: "deals:write" }, { path: "/api/open" }] });
  const app = express();
  const router = express.Router();
  router.get("/read", keys.requires("deals:read"), (it, response) => response.json({ name: getApiKey(it).name }));
  router.get("/write", keys.requires("deals:write"), (_it, response) => response.end());
  router.get("/ruled", keys, (_it, response) => response.end());
  router.get("/open", keys, (_it, response) => response.end());
  app.use("/api", router);
  const ask = await served(t, app);
  const key = { headers: { authorization: `Bearer ${api_key}` } };
  assert.deepEqual(JSON.parse((await ask("/api/read", key)).text), { name: "CI" });
  assert.equal((await ask("/api/write", key)).status, 403);
  assert.equal((await ask("/api/ruled", key)).status, 403, "a rule is of the whole path");
  assert.equal((await ask("/api/open", key)).status, 200);
  assert.equal((await ask("/api/read")).status, 401);
});

test("rules judge the path that the router gets", async (t) => {
  const kw = engine(t);
  const headers = { "api-key": (await kw.keys.create({ name: "CI", scopes: "deals:list" })).api_key };
  const routes = [
    { path: "/static/{*rest}", access: "public" },
    { path: "/health", access: "public" },
    { path: "/v1/deals/public", access: "public" },
    { path: "/v1/deals/{id}", scopes: "deals:list" },
    { path: "/v1", scopes: "deals:list" },
  ];
  const site = (options) => {
    const app = express();
    app.use((request, _response, next) => {
      if (request.url === "/static/rewritten") request.url = "/v1/deals/7";
      next();
    });
    const keys = guard(kw, { routes, ...options });
    app.get("/health", keys, (_request, response) => response.end());
    // A guard in front of some paths leaves them as they are.
    app.use("/v1", keys);
    const router = express.Router({ caseSensitive: true });
    router.get(["/", "/health", "/deals/public", "/deals/:id"], (_request, response) => response.end());
    app.use("/v1", router);
    app.get("/static/*rest", keys, (_request, response) => response.end());
    return served(t, app);
  };
  for (const [options, rewritten] of [[{}, [400, 400]], [{ rewrites: true }, [401, 200]]]) {
    const ask = await site(options);
    for (const [path, expected] of [
      ["/static/x", [200, 200]],
      ["/static/rewritten", rewritten],
      ["/health", [200, 200]],
      ["/v1/health", [401, 403]],
      ["/v1", [401, 200]],
      ["/v1?x=1", [401, 200]],
      ["/v1/deals/7", [401, 200]],
      ["/v1/deals/public", [200, 200]],
      ["/v1/deals/PUBLIC", [401, 200]],
      ["/v1/deals/publi%63", [401, 200]],
      ["/static/../v1/deals/7", [400, 400]],
    ]) {
      assert.deepEqual([(await ask(path)).status, (await ask(path, { headers })).status], expected, path);
    }
  }
});

test("requires without arguments applies the rule of the path", async (t) => {
  const kw = engine(t);
  const headers = { "api-key": (await kw.keys.create({ name: "CI", scopes: "deals:read" })).api_key };
  const keys = guard(kw, { routes: [{ path: "/reads", scopes: "deals:read" }, { path: "/writes", scopes: "deals:write" }] });
  const app = express();
  app.get(/.*/, keys.requires(), (_request, response) => response.end());
  const ask = await served(t, app);
  for (const [path, expected] of [["/reads", 200], ["/writes", 403], ["/unlisted", 403]]) {
    assert.equal((await ask(path, { headers })).status, expected, path);
  }
});

test("a fragment in a path, which routers cut off, is refused", async (t) => {
  const keys = guard(engine(t), { routes: [{ path: "/{*rest}", access: "public" }, { path: "/deals", scopes: "deals:read" }] });
  const app = express();
  app.use(keys);
  app.get("/deals", (_request, response) => response.end());
  const ask = await served(t, app);
  for (const [path, status] of [["/deals", 401], ["/deals#", 400], ["/deals#x", 400], ["/deals?x#", 401]]) {
    assert.equal((await ask(path)).status, status, path);
  }
});

test("a guard behind a guard counts a request once, and the stricter need holds", async (t) => {
  const kw = engine(t, { limits: [{ name: "all", rate: 10 }, { name: "writes", rate: 4, operation: "write" }] });
  const { id, api_key } = await kw.keys.create({ name: "CI", scopes: "deals:write" });
  const keys = guard(kw);
  const app = express();
  app.use(keys, keys);
  app.get("/plain", (_request, response) => response.json({}));
  app.get("/write", keys.requires("deals:write", { operation: "write", cost: 3 }), (_request, response) => response.json({}));
  app.get("/read", keys.requires("deals:read"), (_request, response) => response.json({}));
  app.use("/manage", keys.management());
  const ask = await served(t, app);
  const key = { headers: { "x-api-key": api_key, "x-request-id": "" } };
  const remaining = ({ headers }) => [...headers.ratelimit.matchAll(/"(\w+)";r=(\d+)/g)].map(([, name, left]) => `${name} ${left}`);
  for (const [path, status, left] of [
    ["/plain", 200, ["all 9"]],
    ["/write", 200, ["all 6", "writes 1"]],
    ["/read", 403, ["all 5"]],
    ["/manage/whoami", 200, ["all 4"]],
  ]) {
    const answer = await ask(path, key);
    assert.equal(answer.status, status, path);
    if (status === 200) assert.deepEqual(remaining(answer), left, path);
    assert.equal(answer.headers.vary, "authorization, api-key, x-api-key", path);
    if (status !== 200) assert.equal(JSON.parse(answer.text).request_id, answer.headers["x-request-id"]);
  }
  await kw.flush();
  const { usage_count, denied_count } = await kw.keys.get(id);
  assert.deepEqual([usage_count, denied_count], [4, 1]);
});

test("wrong options are refused when a guard is made", (t) => {
  const kw = engine(t, { scopes: ["deals:read"] });
  for (const [options, field] of [
    [{ routes: [{ path: "/a" }, { path: "/A/" }] }, "routes"],
    [{ routes: [{ path: "/a", scopes: "deals:raed" }] }, "routes"],
    [{ trustedProxies: ["10.0.0.1/8"] }, "trustedProxies"],
    [{ trusted_proxies: [] }, "trusted_proxies"],
    [{ credentials: [] }, "credentials"],
    [{ agent_header: "X-Agent-Id" }, "agent_header"],
    [{ agentHeader: "Cookie" }, "agentHeader"],
    [{ agentHeader: "Api-Key" }, "agentHeader"],
    [{ session: { algorithm: "none", key: "x".repeat(32) } }, "session"],
  ]) {
    assert.throws(() => guard(kw, options), (error) => error.field === field, JSON.stringify(options));
  }
  assert.throws(() => guard(kw).requires("deals"), { field: "scopes" });
  assert.throws(() => guard(kw).requires("deals:raed"), { field: "scopes" });
  assert.throws(() => guard(kw).requires(undefined, { access: "session" }), { field: "access" });
  assert.throws(() => guard({}), TypeError);
});

test("management reads its body by itself, or takes what another has read, up to its limit", async (t) => {
  const app = express();
  const keys = guard(engine(t));
  app.use("/raw", keys.management({ principal: managers }));
  app.use("/read", express.json({ limit: "1mb" }), keys.management({ principal: managers }));
  const ask = await served(t, app);
  const made = (path, body) => ask(path, { method: "POST", headers: { "content-type": "application/json" }, body });
  for (const path of ["/raw/keys", "/read/keys"]) {
    const answer = await made(path, '{"name": "CI"}');
    assert.equal(answer.status, 201, path);
    assert.match(JSON.parse(answer.text).api_key, /^liq_live_/);
    assert.equal((await made(path, JSON.stringify({ name: "x".repeat(70_000) }))).status, 413, path);
  }
  assert.equal((await made("/raw/keys", '{"name": "a", "name": "b"}')).status, 400);
  for (const path of ["/raw/keys", "/read/keys"]) {
    assert.equal((await made(path, '{"name": "a", "expires_in_days": 1e400}')).status, 400, path);
  }
});

test("what another has read shows no name twice, and none that is hidden", async (t) => {
  const app = express();
  const keys = guard(engine(t)).management({ principal: managers });
  app.use("/read", express.json(), keys);
  app.use("/raw", keys);
  const ask = await served(t, app);
  const made = (path, body) => ask(`${path}/keys`, { method: "POST", headers: { "content-type": "application/json" }, body });
  for (const path of ["/read", "/raw"]) {
    for (const body of ['{"name": "a", "__proto__": {"org": "other"}}', '{"name": "a", "constructor": {}}', '{"__proto__": {"name": "a"}}']) {
      assert.equal((await made(path, body)).status, 400, `${path} ${body}`);
    }
  }
  // Only the bytes tell: a parser has kept the last of two.
  const twice = '{"name": "a", "name": "b"}';
  assert.equal((await made("/raw", twice)).status, 400);
  assert.equal(JSON.parse((await made("/read", twice)).text).name, "b");
});

test("what Express 4 makes of no body is no body", async (t) => {
  const app = express();
  const kw = engine(t);
  const four = (request, _response, next) => {
    request.body ??= {};
    next();
  };
  app.use(express.json(), four, guard(kw).management({ principal: managers }));
  const { id } = await kw.org("acme").keys.create({ name: "CI" });
  const ask = await served(t, app);
  const headers = { "content-type": "application/json" };
  assert.equal((await ask(`/keys/${id}/rotate`, { method: "POST", headers })).status, 200);
  assert.equal((await ask(`/keys/${id}`, { method: "DELETE" })).status, 200);
});

test("a body that another has read is taken in any form, and never as none", async (t) => {
  const app = express();
  const keys = guard(engine(t)).management({ principal: managers });
  const any = { type: "*/*" };
  app.use("/bytes", express.raw(any), keys);
  app.use("/text", express.text(any), keys);
  // Express 4 has an empty object where there was nothing to read.
  app.use("/empty", (it, _response, next) => next(void (it.body = {})), keys);
  app.use("/kept", (it, _response, next) => it.on("end", next).resume(), keys);
  app.use((_error, _request, response, _next) => response.status(500).end());
  const ask = await served(t, app);
  const made = { method: "POST", headers: { "content-type": "application/json" }, body: '{"name": "CI"}' };
  for (const path of ["/bytes", "/text", "/empty"]) assert.equal((await ask(`${path}/keys`, made)).status, 201, path);
  assert.equal((await ask("/kept/keys", made)).status, 500);
  for (const path of ["/empty", "/kept"]) {
    assert.equal((await ask(`${path}/keys/none/revoke`, { method: "POST" })).status, 404, path);
    assert.equal((await ask(`${path}/keys/none`, { method: "DELETE" })).status, 404, path);
  }
});

test("an upload without end is answered before it ends", { timeout: PATIENCE }, async (t) => {
  const app = express();
  app.use(guard(engine(t)).management({ principal: managers }));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const upload = request({ host: "127.0.0.1", port: server.address().port, path: "/keys", method: "POST", agent: false });
  upload.on("error", () => {});
  upload.write(Buffer.alloc(70_000));
  const [response] = await once(upload, "response");
  assert.equal(response.statusCode, 413);
  upload.destroy();
});

test("a host that has answered by itself is left alone", async (t) => {
  const kw = engine(t);
  const app = express();
  const errors = [];
  app.use((_request, response, next) => {
    next();
    response.status(504).end();
  });
  app.use(guard(kw), (_request, response) => response.end());
  app.use((error, _request, _response, next) => next(void errors.push(error)));
  const ask = await served(t, app);
  // The engine is not open yet: its answer comes late, and an error in it that nobody catches would fail this test.
  assert.equal((await ask("/")).status, 504);
  await kw.open();
  assert.equal((await ask("/")).status, 401);
  assert.deepEqual(errors, []);
});

test("a principal that fails is the host's error, and nobody's pass", async (t) => {
  const app = express();
  const keys = guard(engine(t));
  app.use("/throws", keys.management({ principal: () => { throw new Error("on purpose"); } }));
  app.use("/rejects", keys.management({ principal: async () => Promise.reject(new Error("on purpose")) }));
  app.use("/odd", keys.management({ principal: () => ({ org: "a b" }) }));
  app.use("/text", keys.management({ principal: () => "acme" }));
  app.use("/nobody", keys.management({ principal: () => null }));
  app.use((_error, _request, response, _next) => response.status(500).end());
  const ask = await served(t, app);
  for (const path of ["/throws", "/rejects", "/odd", "/text"]) assert.equal((await ask(`${path}/keys`)).status, 500, path);
  assert.equal((await ask("/nobody/keys")).status, 401);
});

test("an engine that cannot be opened, and one that is closed, are unavailable", async (t) => {
  const app = express();
  app.use("/gone", guard(new Keywright("sqlite:/dev/null/keys.db", { brand: "liq", pepper: PEPPER })));
  const kw = new Keywright(url(t), { brand: "liq", pepper: PEPPER });
  const { api_key } = await kw.keys.create({ name: "CI" });
  app.use("/closed", guard(kw), (_request, response) => response.end());
  const ask = await served(t, app);
  const key = { headers: { "api-key": api_key } };
  assert.equal((await ask("/closed", key)).status, 200);
  await kw.close();
  for (const path of ["/gone", "/closed"]) {
    const answer = await ask(path, key);
    assert.deepEqual([answer.status, answer.headers["retry-after"]], [503, "1"], path);
  }
});

test("a slow hash leaves the event loop free", async (t) => {
  const file = url(t);
  const first = new Keywright(file, { brand: "liq" });
  const { api_key } = await first.keys.create({ name: "CI" });
  await first.close();
  const kw = new Keywright(file, { brand: "liq" });
  t.after(() => kw.close());
  let turns = 0;
  const beside = setInterval(() => turns++, 1);
  const found = await new Http(kw).authenticate({ method: "GET", target: "/", rawHeaders: ["Api-Key", api_key] });
  clearInterval(beside);
  assert.ok(found.allowed && turns > 0, `${turns} turns`);
});

test("a line break in a head is the host's mistake, and no further line", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI" });
  const http = new Http(kw);
  const whole = { method: "GET", target: "/", rawHeaders: ["Api-Key", api_key], peer: "10.0.0.1" };
  assert.ok((await http.authenticate(whole)).allowed);
  const smuggled = `\napi-key\n${api_key}`;
  for (const parts of [
    { target: `/${smuggled}` },
    { method: `GET${smuggled}` },
    { peer: `10.0.0.1${smuggled}` },
    { earlier: `0 x${smuggled}` },
    { rawHeaders: ["Host", `x${smuggled}`] },
    { rawHeaders: ["Api-Key", `${api_key}\n`] },
    { earlier: "nonsense" },
  ]) {
    await assert.rejects(http.authenticate({ ...whole, rawHeaders: [], ...parts }), { code: "invalid_request" });
  }
});

test("mistakes of the host are told to the host", async (t) => {
  const kw = engine(t);
  const keys = guard(kw);
  for (const given of [managers, null, { principals: managers }, { principal: {} }]) {
    assert.throws(() => keys.management(given), { name: "TypeError" });
  }
  assert.throws(() => guard({}, {}), { name: "TypeError", message: "kw must be a Keywright" });
  assert.throws(() => guard(kw, { routes: [{ path: "/deals/:id" }] }), { code: "validation_failed" });
  const app = express().use("/manage", keys.management({ principal: () => ({ user: "x" }) }));
  app.use((error, _request, response, _next) => response.status(error.status ?? 500).end(error.message));
  const ask = await served(t, app);
  const { status, text } = await ask("/manage/keys");
  assert.deepEqual([status, text.split(";")[0]], [500, "principal: user: is no option of this call"]);
  const file = url(t);
  const first = new Keywright(file, { brand: "liq", pepper: PEPPER });
  await first.keys.create({ name: "CI" });
  await first.close();
  const other = new Keywright(file, { brand: "liq", pepper: "another pepper, of 32 bytes and more" });
  const told = once(process, "warning");
  const locked = await served(t, express().use(guard(other)));
  assert.equal((await locked("/", { headers: { "api-key": "x" } })).status, 503);
  assert.match((await told)[0].message, /pepper that was not given/);
});

test("WHATWG requests", async (t) => {
  const kw = engine(t);
  const { api_key } = await kw.keys.create({ name: "CI", scopes: "deals:read", networks: ["127.0.0.1"] });
  const http = new Http(kw);
  const asked = (headers) => new Request("http://api.example/deals", { headers });
  const needs = Needs.of("deals:read");
  const found = await authenticateRequest(http, asked({ "api-key": api_key }), { peer: "127.0.0.1", needs });
  assert.deepEqual([found.allowed, found.key.name, found.principal], [true, "CI", "key"]);
  const answer = await found.finish(Response.json({}, { status: 404, headers: { vary: "accept" } }));
  assert.deepEqual([answer.status, answer.headers.get("vary")], [404, "accept, authorization, api-key, x-api-key"]);
  const refused = await authenticateRequest(http, asked({ "api-key": api_key }), { needs });
  assert.equal(refused.response.status, 403, "without its peer a request has no address");
  assert.equal((await authenticateRequest(http, asked({}))).response.headers.get("www-authenticate"), 'Bearer realm="api"');
  const body = JSON.stringify({ name: "CI" });
  const post = new Request("http://x/manage/keys", { method: "POST", body, headers: { "content-type": "application/json" } });
  assert.equal((await manageRequest(http, post, { principal: managers, mount: "/manage" })).status, 201);
  const parts = { method: "GET", target: "/", rawHeaders: ["Api-Key", api_key], peer: "10.0.0.9" };
  const near = { ...parts, peer: "127.0.0.1" };
  assert.equal((await http.explain(near, Needs.of("deals:write"))).code, "INSUFFICIENT_SCOPE");
  assert.equal((await http.explain(near)).allowed, true);
  const told = await http.explain(parts);
  assert.deepEqual([told.code, told.address, told.fix], ["IP_NOT_ALLOWED", "10.0.0.9", "add 10.0.0.9 to the networks of the key or its org"]);
  const document = await http.openapi();
  assert.equal(document.paths["/keys/{id}"].patch.operationId, "updateKey");
});
