import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { folder } from "./fixture.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const run = promisify(execFile);

// Programs of hosts, and what each has installed beside its types in `@types`.
const HOSTS = { express: [], fastify: ["fastify"], hono: ["hono"], mcp: ["@modelcontextprotocol"], nest: ["@nestjs"], next: [] };

// npm runs this test under its own settings; the npm below shall have none of them.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.toLowerCase().startsWith("npm_")));
const npm = (cwd, cache, ...words) => run("npm", words, { cwd, env: { ...env, npm_config_cache: cache } });
const node = (cwd, ...words) => run(process.execPath, words, { cwd, env });

test("the packed package installs offline and works from ESM, CommonJS and TypeScript", async (t) => {
  const place = folder(t);
  const home = join(place, "home");
  const cache = join(place, "cache");
  await mkdir(home);
  const packed = await npm(root, cache, "pack", "--json", "--ignore-scripts", "--pack-destination", place);
  const [{ filename, files }] = Object.values(JSON.parse(packed.stdout));
  const paths = files.map((it) => it.path);

  await t.test("the package holds what it needs, and runs nothing when installed", async () => {
    assert.ok(paths.some((it) => /^bindings-node\/keywright\..+\.node$/.test(it)), "the addon is inside");
    assert.deepEqual(paths.filter((it) => /\.(rs|toml)$|^tests|^target/.test(it)), []);
    const { scripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    assert.deepEqual(Object.keys(scripts).filter((it) => /install|prepare/.test(it)), []);
  });

  await writeFile(join(home, "package.json"), '{ "name": "home", "private": true }');
  await npm(home, cache, "install", "--offline", "--no-audit", "--no-fund", join(place, filename));
  assert.deepEqual((await readdir(join(home, "node_modules"))).filter((it) => !it.startsWith(".")), ["keywright"]);

  await t.test("ESM", async () => {
    await writeFile(join(home, "use.mjs"), `
      import { Keywright, Denied } from "keywright";
      import { ManualClock } from "keywright/testing";
      const kw = new Keywright("sqlite:esm.db", { brand: "liq", clock: new ManualClock(new Date(0)), pepper: "p".repeat(32) });
      const made = await kw.keys.create({ name: "CI" });
      console.log((await kw.authenticate(made.api_key)).name, typeof Denied);
      await kw.close();`);
    assert.equal((await node(home, "use.mjs")).stdout, "CI function\n");
    // A page that is rendered on a server imports the element there too.
    await writeFile(join(home, "page.mjs"), 'import { KeywrightKeys } from "keywright/element"; console.log(typeof KeywrightKeys);');
    assert.equal((await node(home, "page.mjs")).stdout, "function\n");
  });

  await t.test("CommonJS", async () => {
    await writeFile(join(home, "use.cjs"), `
      const { Keywright } = require("keywright");
      const { ManualClock } = require("keywright/testing");
      (async () => {
        const kw = new Keywright("sqlite:cjs.db", { brand: "liq", clock: new ManualClock(new Date(0)), pepper: "p".repeat(32) });
        const made = await kw.keys.create({ name: "CI" });
        console.log((await kw.verify(made.api_key)).allowed, require("keywright/package.json").name);
        await kw.close();
      })();`);
    assert.equal((await node(home, "use.cjs")).stdout, "true keywright\n");
  });

  await t.test("TypeScript, from .mts and .cts", async () => {
    const source = await readFile(new URL("install/use.mts", import.meta.url), "utf8");
    for (const file of ["typed.mts", "typed.cts"]) await writeFile(join(home, file), source);
    const hosts = Object.keys(HOSTS).map((it) => `${it}.mts`);
    for (const file of hosts) await writeFile(join(home, file), await readFile(new URL(`install/${file}`, import.meta.url), "utf8"));
    for (const name of ["@types", ...Object.values(HOSTS).flat()]) await symlink(join(root, "node_modules", name), join(home, "node_modules", name));
    const compilerOptions = {
      module: "nodenext",
      target: "es2022",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      experimentalDecorators: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
    };
    await writeFile(join(home, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["typed.mts", "typed.cts", ...hosts] }));
    await node(home, join(root, "node_modules/typescript/bin/tsc"), "-p", ".").catch((error) => assert.fail(error.stdout));
    for (const file of ["typed.mjs", "typed.cjs"]) {
      const { stdout } = await node(home, file);
      assert.match(stdout, /_\[redacted\]\ndone\n$/);
    }
  });
});

test("each subpath has its program and its types, for resolvers that know `exports` and for those that do not", async () => {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const { ".": whole, "./package.json": itself, "./element": element, ...subpaths } = manifest.exports;
  const lib = "./bindings-node/lib";
  const ways = (name) => ({
    import: { types: `${lib}/${name}.d.mts`, default: `${lib}/${name}.mjs` },
    require: { types: `${lib}/${name}.d.cts`, default: `${lib}/${name}.cjs` },
  });
  const names = (await readdir(join(root, lib))).filter((file) => file.endsWith(".d.cts")).map((file) => file.slice(0, -6));
  const wanted = names.filter((name) => name !== "index").sort();
  assert.deepEqual([whole, itself], [ways("index"), "./package.json"]);
  // The page for keys is a script of browsers, and so an ES module alone.
  assert.deepEqual(element, { types: `${lib}/element.d.mts`, default: "./core/src/console/element.mjs" });
  assert.deepEqual(manifest.typesVersions["*"].element, [`${lib}/element.d.mts`]);
  assert.deepEqual(Object.keys(subpaths).sort(), wanted.map((name) => `./${name}`));
  for (const name of wanted) {
    assert.deepEqual(subpaths[`./${name}`], ways(name));
    assert.deepEqual(manifest.typesVersions["*"][name], [`${lib}/${name}.d.cts`]);
  }
  assert.equal(Object.keys(manifest.typesVersions["*"]).length, wanted.length + 1);
  const program = await readFile(join(root, "tests/field/typescript/program.ts"), "utf8");
  assert.deepEqual([...program.matchAll(/from "keywright\/(.+)"/g)].map(([, name]) => name).sort(), wanted);
});

test("the lock file names no registry, and all of it has one version", async () => {
  const lock = await readFile(join(root, "package-lock.json"), "utf8");
  assert.ok(!lock.includes('"resolved"'));
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  assert.equal(JSON.parse(lock).version, version);
  const cargo = await readFile(join(root, "Cargo.toml"), "utf8");
  assert.equal(/^version = "(.+)"$/m.exec(cargo)?.[1], version);
});
