// Bundles the element: `npm run build:element`, or `node build.mjs FOLDER` to write it elsewhere.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { minify } from "terser";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const LICENCES = "/* Keywright, MIT OR Apache-2.0. Lit: Copyright Google LLC, BSD-3-Clause, LICENSE-lit */";
const target = ["chrome123", "firefox128", "safari17.5"];

/** Members that no browser, no library and no host knows. */
const OWN = [
  ...["isReady", "isStopped", "isBehind", "isLoading", "isReadOnly", "isBusy", "isDisabled", "isShown", "isUncertain", "hasMore", "mayClose", "mustWait", "canManage", "wasSent"],
  ...["apiKey", "retryAt", "keyUrl", "tellChange", "focusHeading", "showMore", "showIn", "filterBy", "clearFilter", "refuseToClose", "cancelButton", "submitButton"],
];

/** esbuild leaves templates as they are; these two hold CSS, and HTML with its indentation. */
const templates = {
  name: "templates",
  setup(build) {
    build.onLoad({ filter: /console\/(.*\/)?[a-z]+\.ts$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      const [, style] = /css`([^`]*)`/.exec(contents) ?? [];
      if (style) contents = contents.replace(style, (await transform(style, { loader: "css", minify: true, target })).code.trim());
      return { contents, loader: "ts" };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: { element: at("index.ts"), "element.de": at("german.ts") },
  outdir: process.argv[2] ?? at("../../core/src/console"),
  outExtension: { ".js": ".mjs" },
  external: ["./element.de.mjs"],
  absWorkingDir: at("../.."),
  tsconfig: at("tsconfig.json"),
  inject: [at("globals.js")],
  plugins: [templates],
  bundle: true,
  minify: true,
  format: "esm",
  target,
  charset: "utf8",
  // Names that lit-html, or these sources, share with each other alone.
  mangleProps: new RegExp(`^(_\\$.*|${OWN.join("|")})$`),
  legalComments: "none",
  logLevel: "warning",
  write: false,
});
for (const { path, text } of outputFiles) {
  const { code } = await minify(text, { module: true, ecma: 2022, compress: { passes: 3, unsafe_arrows: true, keep_fargs: false }, format: { preamble: LICENCES } });
  // A line that is indented stands in HTML, where it is one space, or none between two tags.
  await writeFile(path, `${code.replace(/>\n {2,}</g, "><").replace(/\n {2,}/g, " ")}\n`);
}
