import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Keywright } from "keywright";
import { LIMITS } from "./cluster-app.mjs";
import { PATIENCE, PEPPER, url } from "./fixture.mjs";

const program = fileURLToPath(new URL("./cluster-app.mjs", import.meta.url));

/** The status of a response, on a connection of its own. */
async function ask(port, path, key) {
  const sent = request({ port, path, headers: { "api-key": key }, agent: false, timeout: PATIENCE });
  sent.end();
  const [response] = await once(sent, "response");
  response.resume();
  return response.statusCode;
}

test("workers of a cluster admit together what a limit says", async (t) => {
  const place = url(t);
  const kw = new Keywright(place, { brand: "lk", pepper: PEPPER });
  t.after(() => kw.close());
  const [acme, other] = [kw.org("acme"), kw.org("other")];
  const keys = [(await acme.keys.create({ name: "a" })).api_key, (await acme.keys.create({ name: "b" })).api_key];
  const { api_key: unspent } = await other.keys.create({ name: "c" });
  const server = fork(program, { env: { ...process.env, DATABASE: place, PEPPER } });
  const ended = once(server, "exit");
  t.after(async () => {
    server.disconnect();
    await ended;
  });
  const [port] = await once(server, "message");
  for (const [name, [rate, burst]] of Object.entries(LIMITS)) {
    const begin = performance.now();
    // Eight clients ask until each is refused once.
    const admitted = async (client) => {
      for (let count = 0; ; count += 1) {
        const status = await ask(port, `/${name}`, keys[client % 2]);
        if (status !== 200) {
          assert.equal(status, 429);
          return count;
        }
      }
    };
    const counts = await Promise.all(Array.from({ length: 8 }, (_, client) => admitted(client)));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const most = burst + Math.ceil(((performance.now() - begin) * rate) / 60_000);
    assert.ok(burst <= total && total <= most, `${name}: ${total} of ${burst} to ${most}`);
    assert.equal(await ask(port, `/${name}`, unspent), 200);
  }
});
