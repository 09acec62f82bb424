// server.mjs NAME: serves one route in the runtime that runs this, and sends it requests over its socket.

import { once } from "node:events";
import { createServer, request } from "node:http";
import { serve } from "@hono/node-server";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import * as keywright from "keywright";
import { guard as expressGuard } from "keywright/express";
import { guard as fastifyGuard } from "keywright/fastify";
import { guard as honoGuard } from "keywright/hono";
import { checkOnce, site } from "../once.mjs";

const { kw, api_key } = await site(keywright);
let run = 0;

function honoApp() {
  const keys = honoGuard(kw, {});
  const requires = keys.requires("deals:write", { idempotent: true });
  return new Hono().post("/deals", requires, async (c) => c.json({ run: ++run, told: await c.req.json() }, 201));
}

async function portOf(server) {
  if (!server.listening) await once(server, "listening");
  return server.address().port;
}

const servers = {
  async express() {
    const requires = expressGuard(kw, {}).requires("deals:write", { idempotent: true });
    const app = express().post("/deals", requires, express.json({ limit: "1mb" }), (request, response) => {
      response.status(201).json({ run: ++run, told: request.body });
    });
    return portOf(createServer(app).listen(0, "127.0.0.1"));
  },
  async fastify() {
    const requires = fastifyGuard(kw, {}).requires("deals:write", { idempotent: true });
    const app = Fastify();
    app.post("/deals", { onRequest: requires }, async (request, reply) => {
      reply.code(201);
      return { run: ++run, told: request.body };
    });
    await app.listen({ port: 0, host: "127.0.0.1" });
    return portOf(app.server);
  },
  hono: () => portOf(serve({ fetch: honoApp().fetch, port: 0, hostname: "127.0.0.1" })),
  // The server of the runtime itself.
  async "hono-own"() {
    const { fetch } = honoApp();
    if (globalThis.Bun) return Bun.serve({ fetch, port: 0, hostname: "127.0.0.1" }).port;
    return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, fetch).addr.port;
  },
};

const port = await servers[process.argv[2]]();

await checkOnce(api_key, (headers, body) => {
  const { promise, resolve, reject } = Promise.withResolvers();
  const asked = request({ host: "127.0.0.1", port, path: "/deals", method: "POST", headers, agent: false }, async (response) => {
    let text = "";
    for await (const part of response.setEncoding("utf8")) text += part;
    resolve({ status: response.statusCode, headers: response.headers, text });
  });
  asked.on("error", reject).end(body);
  return promise;
});
await kw.close();
process.exit(0);
