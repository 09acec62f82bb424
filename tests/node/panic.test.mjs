import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { addon } from "./hooks.mjs";

const source = new URL("../../bindings-node/src/", import.meta.url);

test("a panic is an exception, in a plain call, in a method and in a future", async () => {
  assert.throws(() => addon.panicNow(), /a test asked for this panic/);
  await assert.rejects(addon.panicLater(), /a test asked for this panic/);
  assert.throws(() => addon.panicNow(), /a test asked for this panic/, "and the addon works on");
});

test("every export catches what unwinds", () => {
  let exports = 0;
  for (const file of readdirSync(source)) {
    const text = readFileSync(new URL(file, source), "utf8");
    for (const [, attribute, item] of text.matchAll(/#\[napi(.*?)\]\n(?:\s*(?:#\[|\/\/).*\n)*\s*(.*)/g)) {
      if (!/\bfn\b/.test(item)) continue;
      exports += 1;
      assert.ok(attribute.includes("catch_unwind"), `${file}: ${item.trim()} has no catch_unwind`);
    }
  }
  assert.ok(exports >= 10, `${exports} exports were found`);
});
