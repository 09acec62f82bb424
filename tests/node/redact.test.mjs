import assert from "node:assert/strict";
import { Console } from "node:console";
import { Writable } from "node:stream";
import { test } from "node:test";
import { redacted } from "keywright";
import { engine } from "./fixture.mjs";

function sink() {
  const lines = [];
  const stream = new Writable({
    write(chunk, encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  return { stream, text: () => lines.join("") };
}

test("what goes to a redacted stream shows no key", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  const { stream, text } = sink();
  const out = redacted(kw, stream);
  const log = new Console(out, out);
  log.log("presented", api_key, { headers: { authorization: `Bearer ${api_key}` } });
  log.error(new Error(`no such key: ${api_key}`));
  out.write(Buffer.from(`bytes ${api_key}\n`));
  await new Promise((done) => out.end(`the last: ${api_key}`, done));
  assert.ok(!text().includes(api_key), text());
  assert.equal(text().split(`${prefix}_[redacted]`).length - 1, 5);
  assert.match(text(), /the last: liq_live_/);
});

test("redacting never fails: not on odd text, not after close", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  await kw.close();
  assert.equal(kw.redact(`\ud800 ${api_key}`), `\ufffd ${prefix}_[redacted]`);
  assert.equal(kw.redact(""), "");
});
