import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { Console } from "node:console";
import { Writable } from "node:stream";
import { test } from "node:test";
import { promisify } from "node:util";
import { Keywright, redacted } from "keywright";
import { engine, url } from "./fixture.mjs";

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

test("no way around a redacted stream: chained calls, other views of bytes", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  const { stream, text } = sink();
  const out = redacted(kw, stream);
  out.on("drain", () => {}).write(`${api_key}\n`);
  const bytes = Buffer.from(`${api_key}\n`);
  out.write(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  await new Promise((done) => out.end(done));
  assert.equal(text(), `${prefix}_[redacted]\n`.repeat(2));
});

test("escaped keys are masked, also in pieces", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  for (const escape of ["%5F", "\\u005f", "\\u{5f}"]) {
    const [key, shown] = [api_key, `${prefix}_`].map((it) => it.replaceAll("_", escape));
    for (let at = 1; at < key.length; at++) {
      const { stream, text } = sink();
      const out = redacted(kw, stream);
      out.write(`at ${key.slice(0, at)}`);
      await new Promise((done) => out.end(`${key.slice(at)}\n`, done));
      assert.equal(text(), `at ${shown}[redacted]\n`);
    }
  }
});

test("a key that comes in pieces shows in none of them", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  const shown = `é ${prefix}_[redacted]`;
  const bytes = Buffer.from(`é ${api_key}`);
  for (let at = 1; at < bytes.length; at++) {
    const { stream, text } = sink();
    const out = redacted(kw, stream);
    const [one, two] = [bytes.subarray(0, at), bytes.subarray(at)];
    out.write(one);
    out.write(two.toString("hex"), "hex");
    assert.ok(!text().includes(api_key.slice(0, 30)), text());
    out.write(" and ");
    assert.equal(text(), `${shown} and `);
    for (const letter of `é ${api_key}`) out.write(letter);
    await new Promise((done) => out.end(done));
    assert.equal(text(), `${shown} and ${shown}`);
  }
});

test("what a redacted stream holds back keeps callbacks, and comes out at the end", async (t) => {
  const kw = engine(t);
  const { stream, text } = sink();
  const out = redacted(kw, stream);
  await new Promise((done) => out.write("one two", done));
  assert.equal(text(), "one ");
  await new Promise((done) => out.write(Buffer.from("three"), "buffer", done));
  assert.equal(text(), "one ");
  await new Promise((done) => out.end("four", "utf8", done));
  assert.equal(text(), "one twothreefour");
});

test("what is held back for the standard output comes out at the exit", async (t) => {
  const program = `
    import { Keywright, redacted } from "keywright";
    const kw = new Keywright("sqlite:never.db", { brand: "liq" });
    redacted(kw, process.stdout).write("all done");`;
  const words = ["--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: import.meta.dirname });
  assert.equal(stdout, "all done");
});

test("redacting never fails: not on odd text, not after close", async (t) => {
  const kw = engine(t);
  const { api_key, prefix } = await kw.keys.create({ name: "CI" });
  await kw.close();
  assert.equal(kw.redact(`\ud800 ${api_key}`), `\ufffd ${prefix}_[redacted]`);
  assert.equal(kw.redact(""), "");
});

test("imported keys are masked before the first call and after close, also in pieces", async (t) => {
  const place = url(t);
  const lendworks = { name: "CI", lookup: "abc12", verifier: "$2b$05$CCCCCCCCCCCCCCCCCCCCC.7WDVSaVQwOHZuKt6UlRF7.xxAzeypHu" };
  const ofDjango = { name: "CI", lookup: "AbCdEfGh", verifier: `sha512$$${"ab".repeat(64)}` };
  const first = new Keywright(place, { brand: "liq" });
  await first.keys.importHashed({ keys: [lendworks], format: "bcrypt", start: "lw" });
  await first.keys.importHashed({ keys: [ofDjango], format: "djangorestframework-api-key" });
  await first.close();
  const key = "AbCdEfGh.0123456789abcdefghijklmnopqrstuv";
  assert.equal(first.redact(key), "AbCdEfGh.[redacted]");

  const kw = new Keywright(place, { brand: "liq" });
  t.after(() => kw.close());
  const { stream, text } = sink();
  const out = redacted(kw, stream);
  out.write("lw_abc12_xxxxxxxxxxxxxxxx\n");
  assert.equal(text(), "lw_abc12_[redacted]\n");
  for (const letter of `${key} `) out.write(letter);
  await new Promise((done) => out.end(done));
  assert.equal(text(), "lw_abc12_[redacted]\nAbCdEfGh.[redacted] ");
});

test("a text is masked without a database that can be opened", (t) => {
  const kw = new Keywright(url(t).replace("keys.db", "missing/keys.db"), { brand: "liq" });
  t.after(() => kw.close());
  const key = `liq_live_${"a".repeat(12)}_${"b".repeat(38)}`;
  assert.equal(kw.redact(`got ${key}`), `got liq_live_${"a".repeat(12)}_[redacted]`);
});
