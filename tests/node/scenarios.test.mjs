// The scenarios of the vectors through a client and a server of the engine.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Client } from "keywright";
import { plain, value } from "./case.mjs";
import { folder, PATIENCE } from "./fixture.mjs";
import { serve } from "./hooks.mjs";
import { call, callOn, runScenario } from "./scenario.mjs";

const read = (file) => JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"));
const { direct, reasons, sent } = read("http/scenarios.json");

// The actor of calls that name none, because only a session with an actor may use idempotency keys.
const NOBODY = "nobody";

/** The record of a call that names no actor. */
const withoutNobody = (record) =>
  JSON.parse(JSON.stringify(record, (name, it) => (["actor", "created_by"].includes(name) && it === NOBODY ? null : it)));

/** Sends the calls that HTTP can express to a server of the engine. The fetch of Node knows no Unix socket, so a relay has a port. */
class Remote {
  sent = 0;
  #path;
  #direct;
  #relays = [];

  constructor(path, steps) {
    this.#path = path;
    this.#direct = steps;
  }

  async begin(kw) {
    const socket = join(this.#path, `${this.#relays.length}.sock`);
    await serve(kw, socket);
    const relay = createServer((inner) => {
      const outer = connect(socket);
      inner.pipe(outer).pipe(inner);
      for (const end of [inner, outer]) end.on("error", () => [inner, outer].forEach((it) => it.destroy()));
    });
    relay.listen(0, "127.0.0.1");
    await once(relay, "listening");
    relay.unref();
    this.#relays.push(relay);
  }

  async call(number, kw, step, saved) {
    if (this.#direct[number] !== undefined) return call(kw, step, saved);
    this.sent += 1;
    const { actor, created_by, ...args } = step.args ?? {};
    const { org } = step;
    const isVerification = !step.do.includes(".");
    const session = {
      org: org === undefined || org === "*" ? "default" : org,
      every_org: org === "*" || step.do.startsWith("orgs."),
      actor: value(actor ?? created_by ?? NOBODY, saved),
    };
    const url = `http://127.0.0.1:${this.#relays.at(-1).address().port}`;
    const client = new Client(url, { apiKey: JSON.stringify(session), timeout: "5m" });
    const handle = isVerification && org !== undefined && org !== "*" ? client.org(org) : client;
    return withoutNobody(plain(await callOn(handle, "args" in step ? { ...step, args } : step, saved)));
  }

  close() {
    for (const relay of this.#relays) relay.close();
  }
}

// The server of a test has a Unix socket.
if (process.platform !== "win32") {
  for (const [name, wanted] of Object.entries(sent)) {
    describe(name, () => {
      const { tests } = read(`vectors/${name}.json`);
      let count = 0;
      for (const it of tests) {
        test(it.id, { timeout: PATIENCE }, async (t) => {
          const remote = new Remote(folder(t), direct[name][it.id] ?? {});
          t.after(() => remote.close());
          const place = process.env.KEYWRIGHT_TEST_STORE ?? `sqlite:${folder(t)}/`;
          await runScenario(t, it, `${place}kw_${randomBytes(8).toString("hex")}`, remote);
          count += remote.sent;
        });
      }
      test("every scenario that has steps apart is there", () => {
        const ids = new Set(tests.map((it) => it.id));
        assert.ok(Object.keys(direct[name]).every((id) => ids.has(id)));
      });
      after(() => assert.equal(count, wanted, `${name}: a call was not sent`));
    });
  }
}

test("each step that is not sent has a reason", () => {
  const given = Object.values(direct).flatMap((cases) => Object.values(cases).flatMap((steps) => Object.values(steps)));
  assert.deepEqual(new Set(given), new Set(Object.keys(reasons)));
});
