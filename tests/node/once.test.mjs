// Repeated requests with one idempotency key, beyond the vectors: bodies of all sizes, and concurrent requests.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:http2";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import compression from "compression";
import express from "express";
import Fastify from "fastify";
import { Keywright } from "keywright";
import { guard } from "keywright/express";
import { guard as fastifyGuard } from "keywright/fastify";
import { Http, Needs, authenticateRequest } from "keywright/http";
import multer from "multer";
import { PATIENCE, PEPPER } from "./fixture.mjs";

const KiB = 1_024;
const folder = mkdtempSync(join(tmpdir(), "keywright-"));
const kw = new Keywright(`sqlite:${folder}/keys.db`, { brand: "liq", pepper: PEPPER });
const { api_key } = await kw.keys.create({ name: "CI" });
const keys = guard(kw, {});
const once = keys.requires(undefined, { idempotent: true });
let runs = 0;
let wait = Promise.resolve();
let late = null;
const app = express()
  .post("/json", once, express.json({ limit: "2mb" }), (request, response) => response.json({ run: ++runs, told: request.body.told }))
  .post("/raw", once, async (request, response) => {
    let length = 0;
    for await (const chunk of request) length += chunk.length;
    response.json({ run: ++runs, length });
  })
  .post("/parsed", express.json(), once, (request, response) => response.json({ run: ++runs, told: request.body.told }))
  .post("/platform", async (request, _response, next) => {
    request.rawBody = Buffer.concat(await request.toArray());
    request.body = JSON.parse(request.rawBody);
    next();
  }, once, (request, response) => response.json({ run: ++runs, told: request.body.told }))
  .post("/unread", (request, _response, next) => {
    request.body = {};
    next();
  }, once, express.text(), (request, response) => response.json({ run: ++runs, told: request.body }))
  .post("/parts", once, (_request, response) => {
    response.write("a");
    response.write(Buffer.from("b"));
    response.end("YyE=", "base64");
  })
  .post("/long", once, (request, response) => response.end("x".repeat(Number(request.query.kib) * KiB)))
  .post("/packed", compression({ threshold: 0 }), once, (request, response) => {
    response.type("text/plain");
    if ("head" in request.query) response.writeHead(200, { "content-language": "en" });
    response.write("one, ");
    response.end("two");
  })
  .post("/twice", once, (_request, response) => {
    response.end("once");
    response.end();
  })
  .post("/timed", (_request, response, next) => {
    const { end } = response;
    response.end = function (...given) {
      this.setHeader("x-time", "1");
      return end.apply(this, given);
    };
    next();
  }, once, (_request, response) => response.send("timed"))
  .post("/trailers", once, (_request, response) => {
    response.setHeader("trailer", "x-sum");
    response.addTrailers({ "x-sum": "1" });
    response.end("with a trailer");
  })
  .post("/reused", once, (_request, response) => {
    const buffer = Buffer.from("aaaa");
    response.write(buffer, () => {
      buffer.write("bbbb");
      response.end(buffer, () => buffer.write("cccc"));
    });
  })
  .post("/called", once, async (_request, response) => {
    await new Promise((sent) => response.end("called", sent));
    runs += response.writableFinished;
  })
  .post("/again", once, (_request, response) => {
    response.json({ run: ++runs });
    response.json({ run: ++runs });
  })
  .post("/late", once, (_request, response) => {
    response.send("the answer");
    response.status(500).set("x-late", "1").removeHeader("content-type");
    response.write("more");
    assert.throws(() => response.writeHead(500), { code: "ERR_HTTP_HEADERS_SENT" });
    late = response.writableEnded;
  })
  .post("/length", once, async (_request, response) => {
    response.writeHead(200, { "content-type": "text/plain", "content-length": 4 });
    await new Promise((sent) => response.write("a", sent));
    const rest = Buffer.from("bcd");
    await new Promise((sent) => response.write(rest, sent));
    rest.write("xyz");
    await wait;
    response.end();
  })
  .post("/number", once, (_request, response) => response.end(7))
  .post("/status", once, (_request, response) => {
    response.statusCode = 2_000;
    response.end("x");
  })
  .post("/texts", once, (_request, response) => {
    response.statusCode = "201";
    response.end("x");
  })
  .post("/arrays", once, (_request, response) => {
    response.setHeader("content-type", "text/html");
    response.writeHead(200, "Fine", ["content-type", "text/plain", "x-many", "1", "x-many", "2"]).end("x");
  })
  .post("/left", once, async (_request, response) => {
    response.write(`${++runs} `);
    await new Promise((left) => response.once("close", left));
    response.end("whole");
  })
  .post("/destroyed", once, (_request, response) => ++runs && response.destroy())
  .post("/file", multer().single("file"), once, (_request, response) => response.json({ run: ++runs }))
  .post("/empty", once, (_request, response) => response.status(204).end())
  .post("/slow", once, async (_request, response) => {
    await wait;
    response.json({ run: ++runs });
  });
app.use((error, _request, response, next) => (response.headersSent ? next(error) : response.status(500).end(error.message)));
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

/** A body in chunks, without a length. */
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

test("a body counts as it came, whatever stands in its place", async () => {
  for (const [path, body, other, type] of [["/platform", '{"told":7}', '{"told": 7}', "application/json"], ["/unread", "7", "8", "text/plain"]]) {
    const first = await ask(path, `came-${path}`, body, type);
    assert.equal(`${JSON.parse(first.text).told}`, "7", path);
    assert.deepEqual(await ask(path, `came-${path}`, body, type), { ...first, replayed: "true" }, path);
    assert.equal((await ask(path, `came-${path}`, other, type)).status, 422, path);
  }
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

test("an answer is kept as the host made it, whatever is made of it in front", async () => {
  for (const path of ["/packed", "/packed?head"]) {
    const first = await ask(path, `packed-${path}`, "{}");
    assert.equal(first.text, "one, two");
    assert.deepEqual(await ask(path, `packed-${path}`, "{}"), { ...first, replayed: "true" });
  }
});

test("an answer ends once, and is settled then", async () => {
  for (const [path, text] of [["/twice", "once"], ["/late", "the answer"], ["/timed", "timed"], ["/trailers", "with a trailer"], ["/called", "called"], ["/texts", "x"], ["/arrays", "x"]]) {
    const first = await ask(path, `ends-${path}`, "{}");
    assert.deepEqual([first.status, first.text, first.replayed], [path === "/texts" ? 201 : 200, text, null]);
    assert.deepEqual(await ask(path, `ends-${path}`, "{}"), { ...first, replayed: "true" });
  }
  // Not one of the asserts in its handler has failed.
  assert.equal(late, true);
  const first = await ask("/again", "again", "{}");
  assert.match(first.text, /^\{"run":\d+\}$/);
  assert.deepEqual(await ask("/again", "again", "{}"), { ...first, replayed: "true" });
});

test("an answer of a told length is whole when it is kept", async () => {
  let go;
  wait = new Promise((resolve) => (go = resolve));
  const both = [ask("/length", "length", "{}"), ask("/length", "length", "{}")];
  assert.equal((await Promise.race(both)).status, 409);
  go();
  const { status, text } = (await Promise.all(both)).find((it) => it.status !== 409);
  assert.deepEqual([status, text], [200, "abcd"]);
  assert.deepEqual(await ask("/length", "length", "{}"), { status, text, replayed: "true" });
});

test("what is kept is what was sent, whatever becomes of its memory", async () => {
  const first = await ask("/reused", "reused", "{}");
  assert.equal(first.text, "aaaabbbb");
  assert.deepEqual(await ask("/reused", "reused", "{}"), { ...first, replayed: "true" });
});

test("what Node refuses at the end is an error of the handler", async () => {
  for (const path of ["/number", "/status"]) {
    for (const _ of [1, 2]) {
      const { status, text, replayed } = await ask(path, `refused-${path}`, "{}");
      assert.deepEqual([status, replayed], [500, null]);
      assert.match(text, /chunk|status code/);
    }
  }
});

test("an answer that broke off is not kept, and frees its key", async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const headers = { "api-key": api_key, "idempotency-key": "left" };
  await (await fetch(`${url}/left`, { method: "POST", headers })).body.cancel();
  let again;
  do again = await fetch(`${url}/left`, { method: "POST", headers });
  while (again.status === 409);
  await again.body.cancel();
  assert.deepEqual([again.status, again.headers.get("idempotent-replayed")], [200, null]);
  const before = runs;
  // Until the connection is cut, for another that runs may still free its key.
  for (const _ of [1, 2]) while (await ask("/destroyed", "destroyed", "{}").catch(() => null));
  assert.equal(runs, before + 2);
});

test("a file that was read before does not count as no file", async () => {
  const before = runs;
  const form = new FormData();
  form.set("file", new Blob(["x"]), "x.txt");
  const response = await fetch(`http://127.0.0.1:${server.address().port}/file`, {
    method: "POST",
    headers: { "api-key": api_key, "idempotency-key": "file" },
    body: form,
  });
  assert.match(await response.text(), /mount Keywright before it/);
  assert.deepEqual([response.status, runs], [500, before]);
});

const pause = () => new Promise((go) => setTimeout(go, 50));

/** A Fastify application that answers with the body that it got, and how often it ran. */
async function fastify(t, options) {
  const app = Fastify(options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  const requires = fastifyGuard(kw, {}).requires(undefined, { idempotent: true });
  let run = 0;
  app.post("/", { onRequest: requires }, async ({ body }) => ({ run: ++run, told: body }));
  await app.listen({ port: 0, host: "127.0.0.1" });
  t.after(() => app.close());
  return app.server.address().port;
}

test("a body ends when it ends, also if it was empty or came in parts", { timeout: PATIENCE }, async (t) => {
  const port = await fastify(t);
  const sent = async (key, ...parts) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.write(`POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\napi-key: ${api_key}\r\nidempotency-key: ${key}\r\n`);
    socket.write("content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
    for (const part of parts) {
      await pause();
      socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    }
    let text = "";
    for await (const chunk of socket) text += chunk;
    return JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1));
  };
  assert.deepEqual(await sent("ends", "a", "b", ""), { run: 1, told: "ab" });
  assert.deepEqual(await sent("ends", "ab", ""), { run: 1, told: "ab" });
  assert.equal((await sent("empty", "")).run, 2);
  assert.equal((await sent("empty", "")).run, 2);
});

// Frames of HTTP/2 (RFC 9113): Node's own client ends a body before it resets the stream.
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const [DATA, HEADERS, RST_STREAM, SETTINGS, END_HEADERS] = [0, 1, 3, 4, 4];

function frame(type, flags, stream, ...parts) {
  const payload = Buffer.concat(parts.map((it) => Buffer.from(it)));
  return Buffer.concat([Buffer.from([0, payload.length >> 8, payload.length & 255, type, flags, 0, 0, 0, stream]), payload]);
}

/** Header fields as literals, with lengths below 127 (RFC 7541, section 6.2.2). */
function fields(head) {
  return Object.entries(head).flatMap(([name, value]) => [[0, name.length], name, [value.length], value]);
}

test("over HTTP/2 as well, and what broke off is not done", { timeout: PATIENCE }, async (t) => {
  const port = await fastify(t, { http2: true });
  const client = connect(`http://127.0.0.1:${port}`);
  const headOf = (key) => ({ ":method": "POST", ":path": "/", "api-key": api_key, "idempotency-key": key, "content-type": "text/plain" });
  const sent = async (key, ...parts) => {
    const stream = client.request(headOf(key));
    for (const part of parts) {
      stream.write(part);
      await pause();
    }
    stream.end();
    let text = "";
    for await (const chunk of stream) text += chunk;
    return JSON.parse(text);
  };
  assert.deepEqual(await sent("h2", "a", "b"), { run: 1, told: "ab" });
  assert.deepEqual(await sent("h2", "ab"), { run: 1, told: "ab" });
  assert.equal((await sent("h2-empty")).run, 2);
  for (const code of [0, 2, 8]) {
    const socket = createConnection(port, "127.0.0.1").on("error", () => {});
    const head = { ...headOf("h2-broken"), ":scheme": "http" };
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0), frame(HEADERS, END_HEADERS, 1, ...fields(head)), frame(DATA, 0, 1, "a")]));
    await pause();
    socket.write(frame(RST_STREAM, 0, 1, Buffer.from([0, 0, 0, code])));
    await pause();
    socket.destroy();
  }
  assert.deepEqual(await sent("h2-broken", "b"), { run: 3, told: "b" });
  // The server ends when its sessions have.
  client.destroy();
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

test("what is too large is refused in WHATWG, and what broke off is free", async () => {
  const http = new Http(kw, {});
  const needs = Needs.of(undefined, { idempotent: true });
  const asked = (key, body) => {
    const headers = { "api-key": api_key, "idempotency-key": key };
    return authenticateRequest(http, new Request("http://h/deals", { method: "POST", headers, body }), { needs });
  };
  assert.equal((await asked("larger", "x".repeat(KiB * KiB + 1))).response.status, 413);
  const cancelled = await (await asked("cancelled", "{}")).finish(new Response(chunked("a", "b", "c")));
  await cancelled.body.cancel();
  const failing = new ReadableStream({ pull: (to) => to.error(new Error("on purpose")) });
  const failed = await (await asked("failed", "{}")).finish(new Response(failing));
  await assert.rejects(failed.text(), /on purpose/);
  const used = new Response("x");
  await used.text();
  await assert.rejects((await asked("used", "{}")).finish(used));
  for (const key of ["cancelled", "failed", "used"]) assert((await asked(key, "{}")).allowed, key);
});

test("an answer without a body is repeated in WHATWG, and a body that is gone is no empty one", async () => {
  const http = new Http(kw, {});
  const needs = Needs.of(undefined, { idempotent: true });
  const asked = (key) => {
    const headers = { "api-key": api_key, "idempotency-key": key };
    return new Request("http://h/deals", { method: "POST", headers, body: "{}" });
  };
  for (const status of [205, 304]) {
    const { finish } = await authenticateRequest(http, asked(`bodiless-${status}`), { needs });
    await finish(new Response(null, { status }));
    assert.equal((await authenticateRequest(http, asked(`bodiless-${status}`), { needs })).response.status, status);
  }
  const read = asked("read");
  await read.text();
  await assert.rejects(authenticateRequest(http, read, { needs }), /mount Keywright before it/);
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
