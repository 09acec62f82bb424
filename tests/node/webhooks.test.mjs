// Webhooks, verified by the library of Standard Webhooks.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { describe, test } from "node:test";
import { Keywright } from "keywright";
import { ManualClock } from "keywright/testing";
import { Webhook } from "standardwebhooks";
import { PEPPER, engine, until, url } from "./fixture.mjs";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const read = (file) => JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8"));
const { count, tests } = read("webhook.json");
const cases = (op) => tests.filter((it) => it.op === op);

/** A server that verifies each message, and answers with a status. */
async function receiver(t, { status = () => 204, verify = (body, headers) => new Webhook(SECRET).verify(body, headers) } = {}) {
  const [messages, wrong] = [[], []];
  const server = createServer(async (request, response) => {
    try {
      messages.push({ id: request.headers["webhook-id"], event: verify(await buffer(request), request.headers) });
    } catch (error) {
      wrong.push(error);
    }
    response.writeHead(status(messages.length)).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    assert.deepEqual(wrong, []);
  });
  return { messages, url: `http://127.0.0.1:${server.address().port}/hooks` };
}

describe("webhook", () => {
  test("every case is counted", () => {
    assert.equal(tests.length, count);
    assert.equal(read("manifest.json")["webhook.json"], count);
    console.log(`vectors node: webhook ${count}`);
  });

  for (const { id, input, expect } of cases("sign")) {
    test(`the library signs the same: ${id}`, () => {
      const at = new Date(input.timestamp * 1000);
      const signed = input.secrets.map((secret) => new Webhook(secret).sign(input.message, at, input.body));
      assert.equal(signed.join(" "), expect.signature);
    });
  }

  for (const { id, input, expect } of cases("secret")) {
    test(`a wrong secret is refused: ${id}`, (t) => {
      const webhooks = [{ url: "https://hooks.example", secret: input.secret }];
      assert.throws(() => new Keywright(url(t), { brand: "liq", pepper: PEPPER, webhooks }), expect);
    });
  }
});

test("every event has its call", async (t) => {
  const clock = new ManualClock(new Date("2026-01-01T00:00:00Z"));
  const { messages, url: place } = await receiver(t, { verify: (body) => JSON.parse(body) });
  const [database, webhooks] = [url(t), [{ url: place, secret: SECRET }]];
  const open = () => new Keywright(database, { brand: "liq", pepper: PEPPER, clock, quotas: { credits: { amount: 1 } }, webhooks });
  let kw = open();
  const { id } = await kw.keys.create({ name: "CI" });
  await kw.keys.update(id, { name: "renamed" });
  await kw.keys.rotate(id);
  await kw.keys.endGrace(id);
  await kw.keys.credit(id, { amount: 5 });
  await kw.keys.disable(id);
  await kw.keys.enable(id);
  await kw.keys.revoke(id);
  // An engine that runs registers its endpoints each hour.
  await kw.close();
  clock.advance(31 * 86_400_000);
  kw = open();
  await kw.keys.purge(id);
  await kw.keys.create({ name: "another" });
  await kw.orgs.update("default", { networks: ["10.0.0.0/8"] });
  await kw.orgs.disable("default");
  await kw.orgs.enable("default");
  await kw.orgs.revokeKeys("default");
  await until("all events arrive", () => messages.length === 15);
  await kw.close();
  for (const { expect } of cases("event")) {
    const { event } = messages.find((it) => it.event.type === expect.type);
    assert.deepEqual(Object.keys(event.data), expect.data, expect.type);
  }
});

test("a receiver that is gone is told", async (t) => {
  const { url: place } = await receiver(t, { status: () => 410 });
  const heard = [];
  const webhooks = [{ url: place, secret: SECRET }];
  const kw = engine(t, { webhooks, onEvent: (event) => heard.push(event) });
  await kw.keys.create({ name: "CI" });
  const notice = () => heard.find((it) => it.kind === "webhook_disabled");
  await until("it is told", notice);
  assert.ok(notice().reason.includes("410 Gone") && !notice().reason.includes("/hooks"));
});

test("a message is signed, has the record, and is repeated under its id", async (t) => {
  const { messages, url: place } = await receiver(t, { status: (number) => (number === 1 ? 503 : 200) });
  const kw = engine(t, { webhooks: [{ url: place, secret: SECRET, events: ["key.created"] }] });
  const created = await kw.org("acme").keys.create({ name: "CI", created_by: "alice" });
  await until("it is sent", () => messages.length === 1);
  // The second attempt comes after five seconds.
  await until("it is sent again", () => messages.length === 2);
  const [{ id, event }, again] = messages;
  assert.deepEqual([again.id, again.event], [id, event]);
  const { data } = event;
  assert.deepEqual([data.id, data.org, data.actor, data.record.name], [created.id, "acme", "alice", "CI"]);
  assert.ok(!JSON.stringify(messages).includes(created.api_key));
});
