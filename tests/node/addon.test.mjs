import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { parseTriple } from "@napi-rs/cli";
import { folder } from "./fixture.mjs";

const run = promisify(execFile);
const loader = new URL("../../bindings-node/lib/addon.cjs", import.meta.url);
const manifest = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
const targets = manifest.napi.targets.map((triple) => parseTriple(triple).platformArchABI);

/** The package with its loader alone. */
async function unpacked(t) {
  const place = folder(t);
  await mkdir(join(place, "lib"));
  await copyFile(loader, join(place, "lib/addon.cjs"));
  return place;
}

/** The error of the loader in a process that takes itself for one of another platform. */
async function refusal(place, pretence = "") {
  const program = `${pretence}; try { require("./lib/addon.cjs") } catch (error) { console.log(error.message) }`;
  return (await run(process.execPath, ["-e", program], { cwd: place })).stdout.trim();
}

const platform = (name, arch) => `Object.defineProperties(process, { platform: { value: "${name}" }, arch: { value: "${arch}" } })`;
const libc = (header) => `process.report.getReport = () => (${JSON.stringify({ header })})`;

test("bundlers and tracers find the file and the package of every target by a literal name", async () => {
  const named = [...(await readFile(loader, "utf8")).matchAll(/require\("(.+?)"\)/g)].map(([, name]) => name);
  const wanted = targets.flatMap((target) => [`../keywright.${target}.node`, `keywright-${target}`]);
  assert.deepEqual(named.sort(), wanted.sort());
});

test("each target's own file is loaded", async (t) => {
  const place = await unpacked(t);
  for (const target of targets) {
    const [name, arch, abi] = target.split("-");
    const header = abi === "gnu" ? { glibcVersionRuntime: "2.36" } : {};
    const said = await refusal(place, `${platform(name, arch)}; ${libc(header)}`);
    assert.match(said, new RegExp(`for ${target} \\(tried keywright\\.${target}\\.node and the package keywright-${target}\\)`));
    assert.match(said, /mark keywright as external.*npm install.*npm run build/);
  }
});

test("the package of the platform is loaded where no file is beside the loader", async (t) => {
  const place = await unpacked(t);
  const home = join(place, `node_modules/keywright-linux-x64-musl`);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, "index.js"), "module.exports = { engine: true }");
  const program = `${platform("linux", "x64")}; ${libc({})}; console.log(require("./lib/addon.cjs"))`;
  assert.equal((await run(process.execPath, ["-e", program], { cwd: place })).stdout, "{ engine: true }\n");
});

test("a platform without an addon is named, and so is a file that the system cannot load", async (t) => {
  const place = await unpacked(t);
  assert.equal(await refusal(place, platform("sunos", "x64")), "keywright cannot load its addon for sunos-x64: there is none for this platform");
  await writeFile(join(place, "keywright.linux-x64-gnu.node"), "no library");
  const said = await refusal(place, `${platform("linux", "x64")}; ${libc({ glibcVersionRuntime: "2.36" })}`);
  assert.match(said, /^keywright cannot load its addon for linux-x64-gnu: the file is there, but the system cannot load it: .*keywright\.linux-x64-gnu\.node/);
});
