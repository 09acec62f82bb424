import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express from "express";
import { getApiKey, tokenVerifier } from "keywright/mcp";
import { asks, engine } from "./fixture.mjs";

/** A server with one tool, which says who calls it. */
function application(verifier) {
  const app = express();
  app.post("/mcp", requireBearerAuth({ verifier }), express.json(), async (request, response) => {
    const server = new McpServer({ name: "who", version: "1.0.0" });
    server.registerTool("who", {}, (extra) => ({ content: [{ type: "text", text: getApiKey(extra).name }] }));
    const transport = new StreamableHTTPServerTransport({});
    await server.connect(transport);
    await transport.handleRequest(request, response, request.body);
  });
  app.get("/me", requireBearerAuth({ verifier }), (request, response) => response.json({ name: getApiKey(request).name }));
  return app;
}

test("a client of MCP calls a tool with a key, until it is revoked", async (t) => {
  const kw = engine(t);
  const { id, api_key } = await kw.keys.create({ name: "CI", scopes: "deals:*" });
  const server = createServer(application(tokenVerifier(kw, { scopes: "deals:read", method: "POST" }))).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const connected = async (key) => {
    const client = new Client({ name: "client", version: "1.0.0" });
    const requestInit = { headers: { authorization: `Bearer ${key}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${server.address().port}/mcp`), { requestInit }));
    t.after(() => client.close());
    return client;
  };
  const client = await connected(api_key);
  assert.equal((await client.callTool({ name: "who" })).content[0].text, "CI");
  await assert.rejects(connected("nonsense"));
  await kw.keys.revoke(id);
  await assert.rejects(client.callTool({ name: "who" }));
});

test("refusals are those of the SDK", async (t) => {
  const kw = engine(t, { limits: [{ name: "calls", rate: 1, per: "key" }] });
  const made = async (fields) => (await kw.keys.create({ name: "CI", scopes: "deals:read", ...fields })).api_key;
  const verifier = tokenVerifier(kw, { scopes: "deals:read", method: "POST" });
  const ask = await asks(t, createServer(application(verifier)));
  const me = (key) => ask("/me", key && { headers: { authorization: `Bearer ${key}` } });
  const good = await made();
  const wrong = `${good.slice(0, -1)}${good.endsWith("0") ? "1" : "0"}`;
  const { id, api_key: revoked } = await kw.keys.create({ name: "CI" });
  await kw.keys.revoke(id, { reason: 'said "no"' });
  for (const [what, key, status, code] of [
    ["good", good, 200],
    ["too often", good, 400, "too_many_requests"],
    ["no credential", undefined, 401, "invalid_token"],
    ["nonsense", "nonsense", 401, "invalid_token"],
    ["a typo", wrong, 401, "invalid_token"],
    ["revoked", revoked, 401, "invalid_token"],
    ["too little", await made({ scopes: "deals:write" }), 403, "insufficient_scope"],
    ["read only", await made({ level: "read" }), 401, "invalid_token"],
    ["bound to a network", await made({ networks: ["127.0.0.1"] }), 401, "invalid_token"],
  ]) {
    const { status: found, headers, text } = await me(key);
    assert.deepEqual([found, JSON.parse(text).error], [status, code], what);
    const challenge = headers["www-authenticate"];
    if (status === 401 || status === 403) assert.match(challenge, /^Bearer error="[a-z_]+", error_description="[^"\\]*"$/, what);
    if (key) assert.ok(!text.includes(key.slice(-32)), "no secret is echoed");
  }
  await kw.close();
  assert.equal((await me(good)).status, 500, "who cannot be judged is no invalid token, which clients throw away");
});

test("what is known of a key", async (t) => {
  const kw = engine(t);
  const verifier = tokenVerifier(kw.org("acme"));
  const now = Math.floor(Date.now() / 1000);
  const lasting = await kw.org("acme").keys.create({ name: "CI", scopes: "b:c,a:b" });
  const info = await verifier.verifyAccessToken(lasting.api_key);
  assert.deepEqual([info.clientId, info.scopes, info.token, info.extra.key.org], [lasting.id, ["a:b", "b:c"], lasting.api_key, "acme"]);
  assert.ok(info.expiresAt > now, "the SDK takes no token without an end");
  const ending = await kw.org("acme").keys.create({ name: "CI", expires_in_days: 365 });
  const at = (date) => Math.floor(date.getTime() / 1000);
  assert.equal((await verifier.verifyAccessToken(ending.api_key)).expiresAt, at(ending.expires_at));
  const rotated = await kw.org("acme").keys.rotate(ending.id, { grace: "1h" });
  const former = await verifier.verifyAccessToken(ending.api_key);
  assert.equal(former.expiresAt, at(rotated.secrets.find((it) => it.grace_ends_at).grace_ends_at), "a former secret ends earlier");
  const { api_key } = await kw.org("other").keys.create({ name: "CI" });
  await assert.rejects(verifier.verifyAccessToken(api_key), InvalidTokenError);
  assert.equal(getApiKey({}), null);
});

test("wrong options are refused when a verifier is made, and each form of the package has its own SDK", async (t) => {
  const kw = engine(t);
  assert.throws(() => tokenVerifier(kw, { scopes: "deals" }), { field: "scopes" });
  assert.throws(() => tokenVerifier(kw, { scopes: "" }), { field: "scopes" });
  assert.throws(() => tokenVerifier(kw, { ip: "127.0.0.1" }), { field: "ip" });
  assert.throws(() => tokenVerifier({}), TypeError);
  const required = createRequire(import.meta.url);
  const errors = required("@modelcontextprotocol/sdk/server/auth/errors.js");
  await assert.rejects(required("keywright/mcp").tokenVerifier(kw).verifyAccessToken("x"), errors.InvalidTokenError);
});
