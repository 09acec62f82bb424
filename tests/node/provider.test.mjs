// Session tokens of a real identity provider, whose keys the engine fetches.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Http } from "keywright/http";
import { ManualClock } from "keywright/testing";
import { AUDIENCE, TestProvider } from "../provider/provider.mjs";
import { engine, until } from "./fixture.mjs";

const MINUTE = 60_000;

test("tokens of a provider are let in, through a rotation and an outage, and the loop never waits", async (t) => {
  const provider = await new TestProvider().start();
  t.after(() => provider.down());
  const heard = [];
  const clock = new ManualClock(new Date());
  const kw = engine(t, { clock, onEvent: (event) => heard.push(event.kind) });
  const http = new Http(kw, {
    session: { issuer: provider.issuer, audience: AUDIENCE, maxOutage: "6h" },
    routes: [{ path: "/", access: "session" }],
  });
  const ask = async (token) => {
    const answer = await http.authenticate({ method: "GET", target: "/", rawHeaders: ["authorization", `Bearer ${token}`] });
    return answer.status ?? answer.org;
  };
  // The provider answers on this very loop, which would hang if a request waited on it.
  const first = await provider.token();
  assert.deepEqual(await Promise.all(Array.from({ length: 20 }, () => ask(first))), Array(20).fill("acme"));
  assert.equal(provider.requests, 1);
  clock.advance(MINUTE);
  provider.rotate("ES256");
  const second = await provider.token();
  assert.deepEqual([await ask(second), await ask(first)], ["acme", 401]);
  assert.equal(provider.requests, 2);
  await provider.down();
  clock.advance(5 * 60 * MINUTE);
  assert.equal(await ask(second), "acme");
  clock.advance(60 * MINUTE);
  assert.deepEqual([await ask(second), await ask(first)], [503, 503]);
  await until("the outage is told", () => heard.includes("provider_failed"));
  await provider.up();
  clock.advance(MINUTE);
  assert.deepEqual([await ask(second), await ask(first)], ["acme", 401]);
});
