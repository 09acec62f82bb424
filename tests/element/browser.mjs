// A real browser, and what may never happen in it.
import assert from "node:assert/strict";
import { after } from "node:test";
import { chromium } from "playwright-core";

/** Milliseconds: longer than anything takes on a busy machine. */
export const PATIENCE = 120_000;

/** Root needs the first; `site.test` is a site without TLS, which `localhost` counts as having. */
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP site.test 127.0.0.1"];

let browser;
after(() => browser?.close());

/** The pages that each test has opened. */
const contexts = new WeakMap();

/** Closes the pages of a test. A server that stops before them would break off what they ask for, and they would complain. */
export async function closePages(t) {
  for (const context of contexts.get(t) ?? []) await context.close();
}

/**
 * Opens a page. What a browser complains of fails the test: errors of scripts, breaches of the content security policy, requests
 * to other origins. `refusals` says that the server refuses something, which a browser writes to its console.
 */
export async function openPage(t, url, { refusals = false, init, ...options } = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-US", timezoneId: "UTC", ...options });
  contexts.set(t, [...(contexts.get(t) ?? []), context]);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const { origin } = new URL(url);
  const complaints = [];
  context.on("request", (request) => {
    const asked = request.url();
    if (!asked.startsWith(origin) && !/^(data|blob):/.test(asked)) complaints.push(`a request to ${asked}`);
  });
  context.on("console", (message) => {
    const isRefusal = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !(refusals && isRefusal)) complaints.push(message.text());
  });
  context.on("weberror", (error) => complaints.push(String(error.error())));
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  if (init) await page.addInitScript(init);
  page.complaints = complaints;
  await page.goto(url);
  return page;
}

/** For `init`: a page that pauses a while before it asks again pauses less. */
export function hurry() {
  const { setTimeout } = window;
  window.setTimeout = (work, milliseconds) => setTimeout(work, milliseconds < 1_000 ? milliseconds : milliseconds / 20);
}

/** Waits until the element of a page knows who asks, and has shown its list or what is wrong with it. */
export async function settled(page) {
  await page.locator("keywright-keys [aria-busy=false]").first().waitFor();
}

/** A button of the open dialog. */
export const inDialog = (page, name) => page.getByRole("dialog").getByRole("button", { name, exact: true });

/** The text of a key in the dialog that reveals it. */
export const secret = (page) => page.getByRole("textbox", { name: "API key" });

/** The button of a row, such as "Rotate" of the key "CI". */
export const opener = (page, verb, name) => page.getByRole("button", { name: `${verb} \u2068${name}\u2069`, exact: true });

/** Opens the form for a new key, and fills in the least. */
export async function fill(page, name) {
  await page.getByRole("button", { name: "Create key" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("deals:read").check();
}

/** The row of a key by its name. */
export function rowOf(page, name) {
  return page.getByRole("row").filter({ has: opener(page, "Details of", name) });
}
