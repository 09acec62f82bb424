import "reflect-metadata";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Body, Catch, Controller, Get, HttpException, Param, Post } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { DocumentBuilder, SwaggerModule } from "@nestjs/swagger";
import { Keywright } from "keywright";
import { Http } from "keywright/http";
import { ApiKey, KeywrightModule, Public, Refused, Requires, getApiKey } from "keywright/nest";
import { PEPPER, asks, engine, url } from "./fixture.mjs";

/** Applies decorators to a method like a compiler. */
function decorate(Class, name, ...decorators) {
  for (const it of decorators) it(Class.prototype, name, Object.getOwnPropertyDescriptor(Class.prototype, name));
}

class Deals {
  read(key) {
    return { name: key.name };
  }
  write() {
    return "written";
  }
  health(key) {
    return { key };
  }
  made(body) {
    Deals.count = (Deals.count ?? 0) + 1;
    return { ...body, count: Deals.count };
  }
  one(id) {
    if (id === "teapot") throw new HttpException("it is a teapot", 418);
    throw new Error("it broke");
  }
}
decorate(Deals, "read", Get("read"));
ApiKey()(Deals.prototype, "read", 0);
decorate(Deals, "write", Get("write"), Requires("deals:read, deals:write", { cost: 2 }));
decorate(Deals, "health", Get("health"), Public());
ApiKey()(Deals.prototype, "health", 0);
decorate(Deals, "one", Get(":id"));
Param("id")(Deals.prototype, "one", 0);
decorate(Deals, "made", Post("made"), Requires("deals:read", { idempotent: true }));
Body()(Deals.prototype, "made", 0);
Requires("deals:read")(Deals);
Controller("deals")(Deals);

const wrapped = (_target, _name, descriptor) => {
  const { value } = descriptor;
  descriptor.value = function (...given) {
    return value.apply(this, given);
  };
};

class Wrapped {
  admin() {
    return "entered";
  }
}
{
  const admin = Object.getOwnPropertyDescriptor(Wrapped.prototype, "admin");
  for (const it of [Requires("keys:manage"), wrapped, Get("admin")]) it(Wrapped.prototype, "admin", admin);
  Object.defineProperty(Wrapped.prototype, "admin", admin);
}
Controller("wrapped")(Wrapped);

/** Inherits a route, and says nothing of it. */
class Inherited extends Deals {}
Controller("inherited")(Inherited);

class Plain {
  ruled() {
    return "ruled";
  }
  free() {
    return "free";
  }
}
for (const name of ["ruled", "free"]) decorate(Plain, name, Get(name));
Controller("plain")(Plain);

async function application(t, module, { adapter = new ExpressAdapter(), filters = [] } = {}) {
  class Application {}
  Reflect.defineMetadata("imports", [module], Application);
  Reflect.defineMetadata("controllers", [Deals, Inherited, Plain, Wrapped], Application);
  const app = await NestFactory.create(Application, adapter, { logger: false, abortOnError: false });
  app.useGlobalFilters(...filters);
  await app.init();
  await adapter.getInstance().ready?.();
  t.after(() => app.close());
  return [app, await asks(t, app.getHttpServer())];
}

for (const [platform, made] of Object.entries({ express: () => new ExpressAdapter(), fastify: () => new FastifyAdapter() })) {
  test(`routes say what they need, on ${platform}`, async (t) => {
    const kw = engine(t);
    const key = { headers: { "api-key": (await kw.keys.create({ name: "CI", scopes: "deals:read" })).api_key } };
    const none = { headers: { "api-key": (await kw.keys.create({ name: "none" })).api_key } };
    const routes = [{ path: "/plain/ruled", scopes: "deals:write" }, { path: "/deals/read", access: "public" }];
    const [, ask] = await application(t, KeywrightModule.forRoot(kw, { routes }), { adapter: made() });
    const statuses = async (path) => [(await ask(path)).status, (await ask(path, none)).status, (await ask(path, key)).status];
    assert.deepEqual(await statuses("/deals/read"), [401, 403, 200], "what a route needs stands before a rule");
    assert.deepEqual(await statuses("/deals/write"), [401, 403, 403]);
    assert.deepEqual(await statuses("/deals/health"), [200, 200, 200]);
    assert.deepEqual(await statuses("/deals/teapot"), [401, 403, 418]);
    assert.deepEqual(await statuses("/inherited/read"), [401, 403, 200], "what a controller needs is inherited");
    assert.deepEqual(await statuses("/wrapped/admin"), [401, 403, 403], "what stands between decorators takes nothing away");
    assert.deepEqual(await statuses("/plain/ruled"), [401, 403, 403]);
    assert.deepEqual(await statuses("/plain/free"), [401, 403, 403], "without a rule it is refused");
    assert.deepEqual(JSON.parse((await ask("/deals/read", key)).text), { name: "CI" });
    assert.deepEqual(JSON.parse((await ask("/deals/health", key)).text), { key: null });
    const refused = await ask("/deals/read");
    assert.equal(refused.headers["content-type"], "application/problem+json");
    assert.equal(refused.headers["www-authenticate"], 'Bearer realm="api"');
    assert.equal(JSON.parse(refused.text).code, "API_KEY_REQUIRED");
    const sent = (name, size = 1) => {
      const headers = { ...key.headers, "idempotency-key": `made-${name}`, "content-type": "application/json" };
      return ask("/deals/made", { method: "POST", headers, body: JSON.stringify({ size }) });
    };
    const [first, again, other] = [await sent("a"), await sent("a"), await sent("b")];
    assert.deepEqual([first.status, again.status, again.text], [201, 201, first.text], "what is sent again is done once");
    assert.equal(JSON.parse(other.text).count, JSON.parse(first.text).count + 1);
    assert.equal((await sent("a", 2)).status, 422, "another body under the same key");
    const head = await ask("/deals/read", { method: "HEAD" });
    assert.deepEqual([head.status, head.text], [401, ""]);
    for (const path of ["/deals/read", "/deals/teapot", "/deals/crash"]) {
      const answer = await ask(path, key);
      assert.equal(answer.headers["cache-control"], "no-store", path);
      assert.match(answer.headers["x-request-id"], /^[0-9a-f-]{36}$/, path);
    }
  });
}

test("a filter of the host may answer what is refused", async (t) => {
  class Own {
    catch(error, host) {
      host.getArgByIndex(1).status(error.getStatus()).json({ own: error.getResponse().code });
    }
  }
  Catch(Refused)(Own);
  const [, ask] = await application(t, KeywrightModule.forRoot(engine(t)), { filters: [new Own()] });
  const answer = await ask("/deals/read");
  assert.deepEqual([answer.status, JSON.parse(answer.text)], [401, { own: "API_KEY_REQUIRED" }]);
});

test("the engine opens with the application and closes at its end; the application has it", async (t) => {
  const kw = new Keywright(url(t), { brand: "liq", pepper: PEPPER });
  const config = { provide: "CONFIG", useValue: { brand: "liq" } };
  class Configuration {}
  Reflect.defineMetadata("providers", [config], Configuration);
  Reflect.defineMetadata("exports", ["CONFIG"], Configuration);
  const useFactory = async ({ brand }) => (assert.equal(brand, "liq"), { kw, errors: "plain" });
  const module = KeywrightModule.forRootAsync({ imports: [Configuration], inject: ["CONFIG"], useFactory });
  const [app, ask] = await application(t, module);
  assert.equal(app.get(Keywright), kw);
  assert.ok(app.get(Http) instanceof Http);
  assert.equal(typeof JSON.parse((await ask("/deals/read")).text).code, "string");
  await app.close();
  await assert.rejects(kw.keys.list(), { code: "closed" });
  const broken = new Keywright("sqlite:/dev/null/keys.db", { brand: "liq", pepper: PEPPER });
  await assert.rejects(application(t, KeywrightModule.forRoot(broken)), { code: "unavailable" });
});

test("documents of Nest tell scopes", async (t) => {
  const [app] = await application(t, KeywrightModule.forRoot(engine(t)));
  const described = new DocumentBuilder().setOpenAPIVersion("3.1.0").addApiKey({ type: "apiKey", in: "header", name: "X-API-Key" }).build();
  const { components, paths } = SwaggerModule.createDocument(app, described);
  assert.equal(components.securitySchemes.api_key.name, "X-API-Key");
  assert.deepEqual(paths["/deals/read"].get.security, [{ api_key: ["deals:read"] }]);
  assert.deepEqual(paths["/deals/write"].get.security, [{ api_key: ["deals:read", "deals:write"] }]);
  assert.deepEqual(paths["/deals/health"].get.security, [{}]);
  assert.equal(paths["/plain/free"].get.security, undefined);
});

test("wrong options and decorators are refused at the start, and what is no HTTP is let nowhere", async (t) => {
  assert.throws(() => KeywrightModule.forRoot(engine(t), { trusted_proxies: [] }), { field: "trusted_proxies" });
  assert.throws(() => KeywrightModule.forRoot({}), TypeError);
  assert.throws(() => Requires("deals"), { field: "scopes" });
  const twice = () => decorate(class { read() {} }, "read", Requires("deals:read"), Public());
  assert.throws(twice, TypeError, "which of both would count is no matter of their order");
  const { providers } = KeywrightModule.forRoot(engine(t));
  const guard = providers.find((it) => it.provide === "APP_GUARD").useFactory(new Http(engine(t)));
  assert.throws(() => guard.canActivate({ getType: () => "rpc" }), /guards HTTP/);
  assert.equal(getApiKey({}), null);
});
