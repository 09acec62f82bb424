import assert from "node:assert";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { guard as expressGuard } from "keywright/express";
import { guard as fastifyGuard } from "keywright/fastify";
import { guard as honoGuard } from "keywright/hono";
import { engine, folder } from "./fixture.mjs";

/** Asks a server on a Unix socket, each time on a connection of its own. */
async function asksOnUnix(t, server) {
  const socketPath = join(folder(t), "socket");
  if (!server.listening) server.listen(socketPath);
  await once(server, "listening");
  t.after(() => server.close());
  return (headers) =>
    new Promise((done, failed) => {
      const asked = request({ socketPath, path: "/", headers, agent: false }, (response) => {
        response.resume().on("end", () => done(response.statusCode));
      });
      asked.on("error", failed).end();
    });
}

const servers = {
  express: (kw, options) => createServer(express().use(expressGuard(kw, options)).get("/", (_, response) => response.end())),
  async fastify(kw, options) {
    const app = fastify();
    await app.register(fastifyGuard(kw, options));
    app.get("/", async () => "");
    await app.ready();
    return app.server;
  },
  hono: (kw, options) => createServer(getRequestListener(new Hono().use(honoGuard(kw, options)).get("/", (c) => c.text("")).fetch)),
};

for (const [name, served] of Object.entries(servers)) {
  test(`a trusted proxy on a Unix socket tells the address: ${name}`, async (t) => {
    const kw = engine(t);
    const { api_key } = await kw.keys.create({ name: "CI", networks: ["203.0.113.0/24"] });
    const statuses = async (trustedProxies) => {
      const ask = await asksOnUnix(t, await served(kw, { trustedProxies, default: "authenticated" }));
      const forwarded = ["203.0.113.9", "203.0.113.9, 198.51.100.1"].map((line) => ask({ "api-key": api_key, "x-forwarded-for": line }));
      return Promise.all([...forwarded, ask({ "api-key": api_key })]);
    };
    assert.deepEqual(await statuses(["unix:"]), [200, 403, 403]);
    assert.deepEqual(await statuses(["0.0.0.0/0", "::/0"]), [403, 403, 403]);
  });
}

test("a TCP socket whose client has gone is no Unix socket", async (t) => {
  const kw = engine(t);
  const keys = expressGuard(kw, { trustedProxies: ["unix:"] });
  const { address, address_from } = await new Promise((done, failed) => {
    const server = createServer((incoming) => {
      incoming.socket.destroy();
      keys.explain(Object.assign(incoming, { originalUrl: incoming.url })).then(done, failed);
    });
    t.after(() => server.close());
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      request({ host: "127.0.0.1", port, headers: { "x-forwarded-for": "203.0.113.9" } }).on("error", () => {}).end();
    });
  });
  assert.deepEqual([address, address_from], [null, "unknown"]);
});
