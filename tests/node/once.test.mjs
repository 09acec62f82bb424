// What is sent again under one idempotency key, where vectors cannot look: bodies of all sizes, and requests that meet.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";
import { Http, Needs, authenticateRequest } from "keywright/http";
import { PEPPER } from "./fixture.mjs";

const KiB = 1_024;
const folder = mkdtempSync(join(tmpdir(), "keywright-"));
const kw = new Keywright(`sqlite:${folder}/keys.db`, { brand: "liq", pepper: PEPPER });
const { api_key } = await kw.keys.create({ name: "CI" });
const keys = guard(kw, {});
const once = keys.requires(undefined, { idempotent: true });
let runs = 0;
let wait = Promise.resolve();
const app = express()
  .post("/json", once, express.json({ limit: "2mb" }), (request, response) => response.json({ run: ++runs, told: request.body.told }))
  .post("/raw", once, async (request, response) => {
    let length = 0;
    for await (const chunk of request) length += chunk.length;
    response.json({ run: ++runs, length });
  })
  .post("/parsed", express.json(), once, (request, response) => response.json({ run: ++runs, told: request.body.told }))
  .post("/parts", once, (_request, response) => {
    response.write("a");
    response.write(Buffer.from("b"));
    response.end("YyE=", "base64");
  })
  .post("/long", once, (request, response) => response.end("x".repeat(Number(request.query.kib) * KiB)))
  .post("/empty", once, (_request, response) => response.status(204).end())
  .post("/slow", once, async (_request, response) => {
    await wait;
    response.json({ run: ++runs });
  });
const server = createServer(app).listen(0, "127.0.0.1");
await new Promise((listening) => server.once("listening", listening));
after(async () => {
  server.close();
  await kw.close();
  rmSync(folder, { recursive: true });
});

async function ask(path, key, body, type = "application/json") {
  const headers = { "api-key": api_key, "idempotency-key": key, "content-type": type };
  const streamed = body instanceof ReadableStream ? { duplex: "half" } : {};
  const url = `http://127.0.0.1:${server.address().port}${path}`;
  const response = await fetch(url, { method: "POST", headers, body, ...streamed });
  return { status: response.status, replayed: response.headers.get("idempotent-replayed"), text: await response.text() };
}

/** A body in chunks of no told length. */
const chunked = (...parts) => new ReadableStream({ start: (to) => (parts.forEach((it) => to.enqueue(Buffer.from(it))), to.close()) });

test("a handler reads the body as if nobody had", async () => {
  for (const path of ["/json", "/parsed"]) {
    for (const [key, body] of [["small", () => '{"told": 7}'], ["in chunks", () => chunked('{"to', 'ld": 7}')]]) {
      const name = `${path}-${key}`.replaceAll(" ", "-");
      const first = await ask(path, name, body());
      assert.deepEqual([first.status, JSON.parse(first.text).told, first.replayed], [200, 7, null], name);
      assert.deepEqual(await ask(path, name, body()), { ...first, replayed: "true" }, name);
    }
  }
  for (const size of [0, 1, 16 * KiB, 64 * KiB, KiB * KiB]) {
    const first = await ask("/raw", `raw-${size}`, "x".repeat(size), "text/plain");
    assert.equal(JSON.parse(first.text).length, size);
    assert.deepEqual(await ask("/raw", `raw-${size}`, "x".repeat(size), "text/plain"), { ...first, replayed: "true" });
  }
  const other = await ask("/raw", "raw-1", "y", "text/plain");
  assert.equal(other.status, 422);
});

test("a body of more than 1 MiB is refused", async () => {
  const before = runs;
  assert.equal((await ask("/raw", "larger", "x".repeat(KiB * KiB + 1), "text/plain")).status, 413);
  assert.equal(runs, before);
});

test("an answer is kept however it was written", async () => {
  for (const path of ["/parts", "/empty", "/long?kib=64"]) {
    const first = await ask(path, `kept-${path}`, "{}");
    assert.deepEqual(await ask(path, `kept-${path}`, "{}"), { ...first, replayed: "true" });
  }
  assert.equal((await ask("/parts", "kept-/parts", "{}")).text, "abc!");
  assert.equal((await ask("/long?kib=65", "long", "{}")).text.length, 65 * KiB);
  assert.equal((await ask("/long?kib=65", "long", "{}")).status, 409);
});

test("of requests that meet one runs", async () => {
  let go;
  wait = new Promise((resolve) => (go = resolve));
  const before = runs;
  const both = [ask("/slow", "meet", "{}"), ask("/slow", "meet", "{}")];
  assert.equal((await Promise.race(both)).status, 409);
  go();
  assert.deepEqual((await Promise.all(both)).map((it) => it.status).sort(), [200, 409]);
  assert.equal(runs, before + 1);
  assert.equal((await ask("/slow", "meet", "{}")).replayed, "true");
});

test("a WHATWG response is kept as it is streamed", async () => {
  const http = new Http(kw, {});
  const needs = Needs.of(undefined, { idempotent: true });
  const asked = (body) => {
    const headers = { "api-key": api_key, "idempotency-key": "whatwg" };
    return authenticateRequest(http, new Request("http://h/deals", { method: "POST", headers, body }), { needs });
  };
  const found = await asked("{}");
  const answer = await found.finish(new Response(chunked("a", "b"), { status: 202, headers: { location: "/deals/1" } }));
  assert.equal(await answer.text(), "ab");
  const { allowed, response } = await asked("{}");
  assert.deepEqual([allowed, response.status, response.headers.get("location"), await response.text()], [false, 202, "/deals/1", "ab"]);
  assert.equal((await asked("{ }")).response.status, 422);
});
