// The tests that an application would write around an engine. Every runner runs these; none of them needs a transform to pass.

import assert from "node:assert";
import { mkdtempSync } from "node:fs";
import { createServer, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import Fastify from "fastify";
import { Hono } from "hono";
import { Denied, Keywright, KeywrightError, NotFound } from "keywright";
import type { guard as ExpressGuard } from "keywright/express";
import { guard as fastifyGuard } from "keywright/fastify";
import { guard as honoGuard } from "keywright/hono";

const options = { brand: "acme", pepper: "p".repeat(40) };

/** An engine that is not open yet, on a file in which there is a key. */
export async function site() {
  const url = `sqlite:${join(mkdtempSync(join(tmpdir(), "keywright-")), "keys.db")}`;
  const before = new Keywright(url, options);
  const { api_key } = await before.keys.create({ name: "ci", scopes: "deals:read" });
  await before.close();
  return { kw: new Keywright(url, options), api_key };
}

/** Asks a server three times: twice with a key, and once again when the engine is closed. */
async function asked(server: any, { kw, api_key }: { kw: Keywright; api_key: string }) {
  if (!server.listening) await new Promise((listening) => server.listen(0, listening));
  const { port } = server.address();
  const ask = () =>
    new Promise<{ status: number; text: string }>((done, failed) => {
      const asking = get({ port, path: "/deals", headers: { "x-api-key": api_key }, agent: false }, async (response: any) => {
        let text = "";
        for await (const part of response) text += part;
        done({ status: response.statusCode, text });
      });
      asking.on("error", failed);
    });
  for (const _ of [1, 2]) {
    const { status, text } = await ask();
    assert.deepStrictEqual([status, text], [200, '{"name":"ci"}']);
  }
  await kw.close();
  assert.strictEqual((await ask()).status, 503);
  server.close();
}

/** Asks an Express application whose guard a test may have loaded anew. */
export async function onExpress(guard: typeof ExpressGuard) {
  // Some pools of vitest cannot load a module that Express needs.
  const { default: express } = await import("express");
  const { kw, api_key } = await site();
  const app = express().get("/deals", guard(kw, {}).requires("deals:read"), (request: any, response: any) => {
    response.json({ name: request.keywright.key.name });
  });
  await asked(createServer(app), { kw, api_key });
}

export const cases: { [name: string]: () => Promise<void> } = {
  async "a verification is the first call"() {
    const { kw, api_key } = await site();
    assert.strictEqual((await kw.verify(api_key)).allowed, true);
    assert.strictEqual((await kw.verify(api_key, { scopes: ["deals:read"] })).allowed, true);
    await kw.close();
  },
  async "a refusal is an error of its class"() {
    const { kw } = await site();
    const denied: any = await kw.authenticate("nonsense").catch((error) => error);
    assert.ok(denied instanceof Denied && denied instanceof KeywrightError && denied instanceof Error);
    const missing: any = await kw.keys.find("acme_live_000000000000").catch((error) => error);
    assert.ok(missing instanceof NotFound && !(missing instanceof Denied));
    assert.strictEqual(missing.code, "not_found");
    await kw.close();
  },
  async "a slow hash is waited for"() {
    const url = `sqlite:${join(mkdtempSync(join(tmpdir(), "keywright-")), "keys.db")}`;
    const kw = new Keywright(url, { brand: "acme" });
    const { api_key, created_at } = await kw.keys.create({ name: "ci", expires_at: new Date(Date.now() + 1e9) });
    assert.ok(created_at instanceof Date);
    assert.strictEqual((await kw.verify(api_key)).allowed, true);
    await kw.close();
  },
  async "the first request to Express"() {
    await onExpress((await import("keywright/express")).guard);
  },
  async "the first request to Fastify"() {
    const { kw, api_key } = await site();
    const app = Fastify();
    app.get("/deals", { onRequest: fastifyGuard(kw, {}).requires("deals:read") }, async (request: any) => ({
      name: request.keywright.key.name,
    }));
    await app.ready();
    await asked(app.server, { kw, api_key });
  },
  async "the first request to Hono"() {
    const { kw, api_key } = await site();
    const app = new Hono().get("/deals", honoGuard(kw, {}).requires("deals:read"), (c: any) => c.json({ name: c.get("keywright").key.name }));
    const direct = await app.request("/deals", { headers: { "x-api-key": api_key } });
    assert.strictEqual(direct.status, 200);
    const server = serve({ fetch: app.fetch, port: 0 });
    await asked(server, { kw, api_key });
  },
};
