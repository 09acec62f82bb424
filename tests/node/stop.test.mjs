// An ordinary stop: a server gets SIGTERM, ends as its framework says, and every request is counted.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Keywright } from "keywright";
import { PATIENCE, PEPPER, url } from "./fixture.mjs";

const begin = `
  import { Keywright } from "keywright";
  const kw = new Keywright(process.argv[1], { brand: "liq", pepper: process.argv[2] });
  const told = (server) => console.log(server.address().port);
`;

const programs = {
  express: `
    import express from "express";
    import { guard } from "keywright/express";
    const server = express().use(guard(kw)).get("/", (_request, response) => response.end()).listen(0, "127.0.0.1", () => told(server));
    process.once("SIGTERM", () => server.close(() => kw.close()));`,
  fastify: `
    import Fastify from "fastify";
    import { guard } from "keywright/fastify";
    const app = Fastify().register(guard(kw)).get("/", async () => "");
    await app.listen({ port: 0, host: "127.0.0.1" });
    told(app.server);
    process.once("SIGTERM", () => app.close().then(() => process.kill(process.pid, "SIGKILL")));`,
  hono: `
    import { serve } from "@hono/node-server";
    import { Hono } from "hono";
    import { guard } from "keywright/hono";
    const app = new Hono().use(guard(kw)).get("/", (c) => c.body(null));
    const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => told(server));
    process.once("SIGTERM", () => server.close(() => kw.close()));`,
  nest: `
    import "reflect-metadata";
    import { Controller, Get, Module } from "@nestjs/common";
    import { NestFactory } from "@nestjs/core";
    import { KeywrightModule, Requires } from "keywright/nest";
    class Root { read() { return ""; } }
    Requires()(Root);
    Controller("/")(Root);
    Get("/")(Root.prototype, "read", Object.getOwnPropertyDescriptor(Root.prototype, "read"));
    class App {}
    Module({ imports: [KeywrightModule.forRoot(kw)], controllers: [Root] })(App);
    const app = await NestFactory.create(App, { logger: false });
    app.enableShutdownHooks();
    await app.listen(0, "127.0.0.1");
    told(app.getHttpServer());`,
};

for (const [name, program] of Object.entries(programs)) {
  test(`${name} counts what it has answered when it is stopped`, { timeout: PATIENCE }, async (t) => {
    const place = url(t);
    const before = new Keywright(place, { brand: "liq", pepper: PEPPER });
    const { id, api_key } = await before.keys.create({ name: "CI" });
    await before.close();

    const cwd = fileURLToPath(new URL(".", import.meta.url));
    const given = ["--input-type=module", "--eval", begin + program, place, PEPPER];
    const child = spawn(process.execPath, given, { cwd, stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    const [port] = await once(child.stdout.setEncoding("utf8"), "data");
    for (let asked = 0; asked < 5; asked++) {
      const headers = { "api-key": api_key, connection: "close" };
      assert.equal((await fetch(`http://127.0.0.1:${port.trim()}/`, { headers })).status, 200);
    }
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;

    const after = new Keywright(place, { brand: "liq", pepper: PEPPER });
    assert.equal((await after.keys.get(id)).usage_count, 5);
    await after.close();
  });
}
