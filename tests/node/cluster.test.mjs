// Limits that the workers of a cluster share. `KEYWRIGHT_TEST_STORE` and `KEYWRIGHT_TEST_LIMITER` name another store and another
// limiter than those of one machine.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Keywright } from "keywright";
import { COST, LIMITS, TIERS } from "./cluster-app.mjs";
import { folder, PATIENCE, PEPPER } from "./fixture.mjs";

const program = fileURLToPath(new URL("./cluster-app.mjs", import.meta.url));

/** The status of a response, on a connection of its own. */
async function ask(port, path, key) {
  const sent = request({ port, path, headers: { "api-key": key }, agent: false, timeout: PATIENCE });
  sent.end();
  const [response] = await once(sent, "response");
  response.resume();
  return response.statusCode;
}

/** Eight clients of some keys get together what a limit says, and no more. Each asks until it is refused. */
async function holds(port, path, keys, [rate, burst], cost = 1) {
  const begin = performance.now();
  const deadline = begin + PATIENCE;
  const admitted = async (client) => {
    for (let count = 0; ; count += cost) {
      const status = await ask(port, path, keys[client % keys.length]);
      if (status !== 200) {
        assert.equal(status, 429);
        return count;
      }
    }
  };
  let total = 0;
  // A worker may hold a few requests in stock for a moment.
  while (total < burst) {
    assert.ok(performance.now() < deadline, `${path}: ${total} of ${burst}`);
    const counts = await Promise.all(Array.from({ length: 8 }, (_, client) => admitted(client)));
    total += counts.reduce((sum, count) => sum + count, 0);
  }
  const most = burst + Math.ceil(((performance.now() - begin) * rate) / 60_000);
  assert.ok(total <= most, `${path}: ${total} of ${burst} to ${most}`);
}

test("workers of a cluster admit together what a limit says", async (t) => {
  const store = process.env.KEYWRIGHT_TEST_STORE ?? `sqlite:${folder(t)}/`;
  const place = `${store}cluster_${randomBytes(8).toString("hex")}`;
  const kw = new Keywright(place, { brand: "lk", pepper: PEPPER, tiers: TIERS });
  t.after(() => kw.close());
  const create = async (org, options) => (await kw.org(org).keys.create({ name: "CI", ...options })).api_key;
  const keys = [await create("acme"), await create("acme")];
  const unspent = await create("other");
  const server = fork(program, { env: { ...process.env, DATABASE: place, PEPPER } });
  const ended = once(server, "exit");
  t.after(async () => {
    server.disconnect();
    await ended;
  });
  const [port] = await once(server, "message");
  for (const [name, numbers] of Object.entries(LIMITS)) {
    await holds(port, `/${name}`, keys, numbers);
    assert.equal(await ask(port, `/${name}`, unspent), 200);
  }
  for (const [tier, rate] of Object.entries(TIERS)) {
    await holds(port, "/tier", [await create("acme", { tier })], [rate, rate], COST);
    assert.equal(await ask(port, "/tier", await create("acme", { tier })), 200);
  }
});
