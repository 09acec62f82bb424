import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { startSite } from "./site.mjs";

const CONSOLE = "core/src/console";
const SOURCES = "bindings-node/console";
const bundles = () => readdirSync(CONSOLE).filter((file) => file.endsWith(".mjs"));

test("the committed bundles are what the sources make, byte for byte", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "keywright-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await promisify(execFile)(process.execPath, ["bindings-node/console/build.mjs", folder]);
  assert.deepEqual(readdirSync(folder).sort(), bundles().sort());
  for (const file of bundles()) {
    const isSame = readFileSync(join(folder, file)).equals(readFileSync(join(CONSOLE, file)));
    assert.ok(isSame, `${file} is not what its sources make: npm run build:element`);
  }
});

test("imports of the sources go one way", () => {
  const imports = new Map();
  for (const file of readdirSync(SOURCES, { recursive: true }).filter((name) => name.endsWith(".ts"))) {
    const named = readFileSync(join(SOURCES, file), "utf8").matchAll(/^(?:import|export) .* from "(\.[^"]+)\.js";/gm);
    imports.set(file, [...named].map(([, path]) => join(dirname(file), `${path}.ts`)));
  }
  const visit = (file, way) => {
    assert.ok(!way.includes(file), `a circle: ${[...way, file].join(" → ")}`);
    for (const next of imports.get(file)) visit(next, [...way, file]);
  };
  visit("index.ts", []);
  assert.ok(imports.get("page.ts").includes("api.ts"));
});

test("the element is small, and management serves what is committed", async (t) => {
  const element = readFileSync(join(CONSOLE, "element.mjs"));
  const { length } = gzipSync(element, { level: 9 });
  assert.ok(length <= 25_000, `${length} bytes, compressed`);
  const site = await startSite(t);
  const served = await fetch(`${site.url}manage/element.js`);
  assert.ok(Buffer.from(await served.arrayBuffer()).equals(element));
  const again = await fetch(`${site.url}manage/element.js`, { headers: { "if-none-match": served.headers.get("etag") } });
  assert.deepEqual([again.status, await again.text()], [304, ""]);
});
