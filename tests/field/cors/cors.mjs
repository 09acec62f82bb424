// One framework with its usual CORS layer in front of the guard, and without one: the answer to a browser's preflight.
import assert from "node:assert";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { Keywright } from "keywright";

const PAGE = "https://app.example";
const cors = { origin: [PAGE], methods: ["DELETE"], allowedHeaders: ["Authorization"] };
let ran = 0;

const frameworks = {
  async express(kw, hasCors) {
    const { default: express } = await import("express");
    const { default: layer } = await import("cors");
    const { guard } = await import("keywright/express");
    const app = express();
    if (hasCors) app.use(layer(cors));
    app.use(guard(kw, {}));
    app.all("/deals", (_request, response) => response.json({ ran: ++ran }));
    const server = app.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    return { port: server.address().port, close: () => server.close() };
  },
  async fastify(kw, hasCors) {
    const { default: Fastify } = await import("fastify");
    const { default: layer } = await import("@fastify/cors");
    const { guard } = await import("keywright/fastify");
    const app = Fastify();
    if (hasCors) await app.register(layer, cors);
    await app.register(guard(kw, {}));
    if (hasCors) app.delete("/deals", async () => ({ ran: ++ran }));
    else app.all("/deals", async () => ({ ran: ++ran }));
    await app.listen({ port: 0, host: "127.0.0.1" });
    return { port: app.server.address().port, close: () => app.close() };
  },
  async hono(kw, hasCors) {
    const { serve } = await import("@hono/node-server");
    const { Hono } = await import("hono");
    const layer = (await import("hono/cors")).cors;
    const { guard } = await import("keywright/hono");
    const app = new Hono();
    if (hasCors) app.use(layer({ origin: cors.origin, allowMethods: cors.methods, allowHeaders: cors.allowedHeaders }));
    app.use(guard(kw, {}));
    app.all("/deals", (c) => c.json({ ran: ++ran }));
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => resolve({ port, close: () => server.close() }));
    });
  },
  async nest(kw, hasCors) {
    await import("reflect-metadata");
    const { All, Controller, Module } = await import("@nestjs/common");
    const { NestFactory } = await import("@nestjs/core");
    const { KeywrightModule } = await import("keywright/nest");
    class Deals {
      all() {
        return { ran: ++ran };
      }
    }
    All()(Deals.prototype, "all", Object.getOwnPropertyDescriptor(Deals.prototype, "all"));
    Controller("deals")(Deals);
    class Application {}
    Module({ imports: [KeywrightModule.forRoot(kw, {})], controllers: [Deals] })(Application);
    const app = await NestFactory.create(Application, { logger: false });
    if (hasCors) app.enableCors(cors);
    await app.listen(0, "127.0.0.1");
    return { port: app.getHttpServer().address().port, close: () => app.close() };
  },
};

for (const hasCors of [true, false]) {
  const folder = mkdtempSync(`${tmpdir()}/cors-`);
  const kw = new Keywright(`sqlite:${folder}/keys.db`, { brand: "acme", pepper: "a pepper for these tests, of 32 bytes and more" });
  const { port, close } = await frameworks[process.argv[2]](kw, hasCors);
  const headers = { origin: PAGE, "access-control-request-method": "DELETE", "access-control-request-headers": "authorization" };
  const answer = await fetch(`http://127.0.0.1:${port}/deals`, { method: "OPTIONS", headers });
  assert.equal(ran, 0, "the handler ran");
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.get("access-control-allow-origin"), hasCors ? PAGE : null);
  if (hasCors) assert.match(answer.headers.get("access-control-allow-methods"), /DELETE/);
  if (hasCors) assert.match(answer.headers.get("access-control-allow-headers"), /authorization/i);
  await close();
  await kw.close();
}
process.exit(0);
