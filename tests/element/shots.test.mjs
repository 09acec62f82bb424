// Every state of the page in light and dark, wide and narrow: without a breach of WCAG 2.2 AA, and as pictures for people to look at.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { inDialog, openPage, rowOf, settled } from "./browser.mjs";
import { startSite } from "./site.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FOLDER = process.env.KEYWRIGHT_PICTURES ?? "target/element";
mkdirSync(FOLDER, { recursive: true });

const FORMS = {
  "light-wide": { colorScheme: "light" },
  "dark-wide": { colorScheme: "dark" },
  "light-narrow": { colorScheme: "light", viewport: { width: 320, height: 720 } },
  "dark-narrow": { colorScheme: "dark", viewport: { width: 390, height: 844 } },
};

async function filled(t) {
  const site = await startSite(t, {
    engine: { environments: ["live", "test"], tiers: { basic: 100, standard: 1_000 } },
    attributes: 'fields="level networks" environments="live test" tiers="basic standard"',
  });
  const make = (name, more) => site.org.keys.create({ name, ...more });
  const old = await make("Legacy importer", { scopes: "documents:read" });
  await site.org.keys.disable(old.id, { reason: "replaced by the nightly sync" });
  await make("Staging dashboard", { scopes: "deals:read", environment: "test", level: "read", expires_in_days: 3 });
  const turned = await make("Billing worker", { scopes: "deals:read,documents:read,documents:write,rulesets:read", expires_in_days: 90, level: "read_write" });
  await site.org.keys.rotate(turned.id, { grace: "24h" });
  await make("מפתח ייצור", { scopes: "webhooks:manage" });
  const live = await make("Production server", { scopes: "deals:read,deals:write", expires_in_days: 365, tier: "standard" });
  for (let at = 0; at < 1_234; at += 1) await site.kw.verify(live.api_key);
  await site.kw.flush();
  return site;
}

const button = (page, name) => page.getByRole("button", { name, exact: true });

/** How to come to each state from the list. */
const STATES = {
  list: async () => {},
  create: async (page) => {
    await button(page, "Create key").click();
    await page.getByLabel("deals:read").waitFor();
  },
  "create-wrong": async (page) => {
    await button(page, "Create key").click();
    await page.getByLabel("deals:read").waitFor();
    await inDialog(page, "Create key").click();
    await page.getByText("Enter a name.").waitFor();
  },
  reveal: async (page) => {
    await button(page, "Create key").click();
    await page.getByLabel("Name", { exact: true }).fill("Production server 2");
    await inDialog(page, "Create key").click();
    await inDialog(page, "Copy").click();
    await page.getByText(/^Copied|did not allow/).waitFor();
  },
  rotate: async (page) => {
    await button(page, "Rotate \u2068Production server\u2069").click();
    await page.getByText("After \u206824 hours\u2069").waitFor();
  },
  "rotate-again": async (page) => {
    await button(page, "Rotate \u2068Billing worker\u2069").click();
    await page.getByText("A former secret still works").waitFor();
  },
  revoke: async (page) => {
    await button(page, "Revoke \u2068Production server\u2069").click();
    await page.getByLabel(/to confirm/).fill("Production");
    await inDialog(page, "Revoke key").click();
    await page.getByText("This is not the name of the key.").waitFor();
  },
  details: async (page) => {
    await button(page, "Details of \u2068Billing worker\u2069").click();
    await page.getByText("Former, works until").waitFor();
  },
  edit: async (page) => {
    await button(page, "Details of \u2068Billing worker\u2069").click();
    await inDialog(page, "Edit").click();
    await page.getByLabel("deals:read").waitFor();
  },
  "edit-wrong": async (page) => {
    await button(page, "Details of \u2068Billing worker\u2069").click();
    await inDialog(page, "Edit").click();
    await page.getByLabel("Allowed IP addresses").fill("nowhere");
    await inDialog(page, "Save changes").click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
  },
  search: async (page) => {
    await page.getByLabel("Search keys").fill("nothing like it");
    await page.getByText("No key matches.").waitFor();
  },
};

/** Back to the list. */
async function leave(page, state) {
  if (state === "list" || state === "search") return;
  if (state === "reveal") await inDialog(page, "I have saved it").click();
  else await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
}

for (const [form, options] of Object.entries(FORMS)) {
  test(`all states: ${form}`, async (t) => {
    const site = await filled(t);
    const page = await openPage(t, site.url, { ...options, refusals: true });
    const accessible = await axe(page);
    const seen = async (state) => {
      await page.screenshot({ path: `${FOLDER}/${state}-${form}.png`, animations: "disabled" });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(overflow <= 0, `${state} is ${overflow} pixels wider than the page`);
      await accessible(state);
    };
    await settled(page);
    for (const [state, reach] of Object.entries(STATES)) {
      await reach(page);
      await seen(state);
      await leave(page, state);
    }
  });
}

test("all states: empty, loading, failing, read-only, German", async (t) => {
  const site = await startSite(t, { lang: "de" });
  for (const [form, options] of Object.entries(FORMS)) {
    const page = await openPage(t, site.url, { ...options, refusals: true });
    const seen = async (state) => {
      await page.screenshot({ path: `${FOLDER}/${state}-${form}.png`, animations: "disabled" });
      await (await axe(page))(state);
    };
    await settled(page);
    await seen("empty");
    site.fault = (request, response) => response.status(503).set("retry-after", "30").json({ code: "UNAVAILABLE", detail: "The store cannot be reached" });
    await page.reload();
    await settled(page);
    await seen("failing");
    site.fault = () => true;
    await page.reload();
    await page.locator(".skeleton").waitFor();
    await seen("loading");
    site.fault = null;
  }
});

/** How else a page may be shown, and what has to be true there. */
const MANNERS = {
  "forced-colors": { options: { forcedColors: "active" }, media: "(forced-colors: active)" },
  "reduced-motion": { options: { reducedMotion: "reduce" }, media: "(prefers-reduced-motion: reduce)" },
  "4k": { options: { viewport: { width: 3840, height: 2160 } }, media: "(min-width: 3840px)" },
  "right-to-left": { options: {}, media: "all", lang: "he" },
  // Words in English read from left to right on any page.
  "english-right-to-left": { options: {}, media: "all", lang: "ar" },
};

for (const [manner, { options, media, lang }] of Object.entries(MANNERS)) {
  test(`a page in another manner: ${manner}`, async (t) => {
    const site = await filled(t);
    const page = await openPage(t, site.url, options);
    await settled(page);
    const isMirrored = lang === "he";
    if (lang) {
      await page.evaluate(
        ([lang, words]) => {
          Object.assign(document.documentElement, { lang, dir: "rtl" });
          document.querySelector("keywright-keys").messages = words;
        },
        [lang, isMirrored ? { title: "מפתחות API", create: "יצירת מפתח" } : {}],
      );
      await page.locator(`[part=page][dir=${isMirrored ? "rtl" : "ltr"}]`).waitFor();
      await settled(page);
    }
    assert.equal(await page.evaluate((query) => matchMedia(query).matches, media), true);
    await page.screenshot({ path: `${FOLDER}/list-${manner}.png`, animations: "disabled" });
    await button(page, "Details of \u2068Billing worker\u2069").click();
    await page.getByText("Former, works until").waitFor();
    const seen = await page.locator("keywright-keys").evaluate(({ shadowRoot }) => {
      const at = (selector) => shadowRoot.querySelector(selector).getBoundingClientRect();
      const dialog = shadowRoot.querySelector("dialog");
      return {
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        animation: getComputedStyle(dialog).animationName,
        isRightToLeft: getComputedStyle(shadowRoot.querySelector("dialog")).direction === "rtl",
        isNameFirst: at("th.name").left < at("th.status").left,
        isInside: at("dialog").left >= 0 && at("dialog").right <= innerWidth,
      };
    });
    assert.deepEqual(seen, { overflow: 0, isRightToLeft: isMirrored, animation: manner === "reduced-motion" ? "none" : "appear", isNameFirst: !isMirrored, isInside: true });
    await page.screenshot({ path: `${FOLDER}/details-${manner}.png`, animations: "disabled" });
    await (await axe(page))(manner);
  });
}

test("a printed page shows the keys, and nothing to press", async (t) => {
  const site = await filled(t);
  const page = await openPage(t, site.url);
  await settled(page);
  await page.emulateMedia({ media: "print" });
  await button(page, "Create key").waitFor({ state: "hidden" });
  await button(page, "Revoke \u2068Production server\u2069").waitFor({ state: "hidden" });
  await page.getByLabel("Search keys").waitFor({ state: "hidden" });
  await page.getByText("Production server", { exact: true }).waitFor();
  await page.screenshot({ path: `${FOLDER}/list-print.png`, fullPage: true, animations: "disabled" });
});

/** Brings axe-core into a document through the debugger, which no policy of the page concerns. The answer runs it. */
async function axe(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  return async (state) => {
    const { result } = await session.send("Runtime.evaluate", {
      expression: `axe.run(document, { runOnly: ${JSON.stringify(tags)}, resultTypes: ["violations"] }).then((found) => JSON.stringify(
        found.violations.map(({ id, help, nodes }) => [id, help, nodes.map((node) => node.target.join(" ") + ": " + node.html.slice(0, 160))])))`,
      awaitPromise: true,
    });
    assert.deepEqual(JSON.parse(result.value), [], state);
  };
}
