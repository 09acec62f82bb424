import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { build } from "esbuild";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { compile } from "svelte/compiler";
import { openPage, settled } from "./browser.mjs";
import { Settings } from "./examples/rendered.mjs";
import { startSite } from "./site.mjs";

const at = (file) => fileURLToPath(new URL(`examples/${file}`, import.meta.url));

const svelte = {
  name: "svelte",
  setup(build) {
    build.onLoad({ filter: /\.svelte$/ }, ({ path }) => ({
      contents: compile(readFileSync(path, "utf8"), { filename: path, generate: "client" }).js.code,
    }));
  },
};

async function bundled(file) {
  const { outputFiles } = await build({
    entryPoints: [at(file)],
    bundle: true,
    write: false,
    format: "esm",
    jsx: "automatic",
    conditions: ["browser", "production"],
    plugins: [svelte],
    define: { "process.env.NODE_ENV": '"production"', __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
    logLevel: "error",
  });
  return outputFiles[0].text;
}

const app = (inside = "") => `<div id="app">${inside}</div><script type="module" src="/app.js"></script>`;
const EXAMPLES = {
  "plain HTML": ["plain.js", () => readFileSync(at("plain.html"), "utf8")],
  React: ["react.jsx", app],
  Vue: ["vue.js", app],
  Svelte: ["svelte.js", app],
  "a page rendered on the server": ["hydrate.js", () => app(renderToString(createElement(Settings)))],
};

/** Policies that a framework has for templates of its own. */
const TRUSTED = { Vue: "vue", Svelte: "svelte-trusted-html" };

for (const [name, [file, body]] of Object.entries(EXAMPLES)) {
  test(`the element in ${name}`, async (t) => {
    const site = await startSite(t, { files: { "/app.js": await bundled(file) }, html: body(), trusted: TRUSTED[name] });
    const page = await openPage(t, site.url);
    await settled(page);
    await page.getByRole("button", { name: "Create key" }).click();
    await page.getByLabel("Name", { exact: true }).fill(`from ${name}`);
    await page.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
    await page.getByRole("button", { name: "I have saved it" }).click();
    await page.getByText(`Last created: from ${name}`).waitFor();
  });
}
