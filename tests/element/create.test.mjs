import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, hurry, inDialog, openPage, rowOf, secret, settled } from "./browser.mjs";
import { startSite } from "./site.mjs";

const dialog = (page) => page.getByRole("dialog");

test("a key is created with what was chosen, and shown once", async (t) => {
  const site = await startSite(t, {
    engine: { environments: ["live", "test"], tiers: { basic: 100, premium: 1_000 }, environment: "*" },
    attributes: 'fields="level networks" environments="live test" tiers="basic premium" env-name="ACME_API_KEY"',
  });
  const page = await openPage(t, site.url, { permissions: ["clipboard-read", "clipboard-write"], acceptDownloads: true });
  const events = await listen(page);
  await settled(page);
  await page.getByRole("button", { name: "Create key" }).first().click();
  await page.getByLabel("deals:read").waitFor();
  assert.equal(await dialog(page).getByRole("checkbox", { checked: true }).count(), 0);
  assert.match(await page.getByText(/^Expires on/).innerText(), new RegExp(`${new Date(Date.now() + 90 * 86_400_000).getUTCFullYear()}`));
  await page.getByLabel("Expiration").selectOption("Never");
  await page.getByText("Works until somebody revokes it.").waitFor();
  await page.getByLabel("Expiration").selectOption("30");
  await page.getByLabel("Name", { exact: true }).fill("  Importer <b>7</b> ");
  await page.getByLabel("deals:read").check();
  await page.getByLabel("webhooks:manage").check();
  await page.getByLabel("Environment").last().selectOption("test");
  await page.getByLabel("Rate limit tier").selectOption("premium");
  await page.getByLabel("Read and write").check();
  await page.getByLabel("Allowed IP addresses").fill("203.0.113.0/24\n2001:db8::/32");
  await inDialog(page, "Create key").dblclick();
  const text = await secret(page).innerText();

  const [key, ...others] = (await site.org.keys.list()).data;
  assert.deepEqual(others, []);
  assert.deepEqual([key.name, key.environment, key.tier, key.level], ["Importer <b>7</b>", "test", "premium", "read_write"]);
  assert.deepEqual([key.scopes, key.networks], [["deals:read", "webhooks:manage"], ["203.0.113.0/24", "2001:db8::/32"]]);
  assert.equal(Math.round((key.expires_at - key.created_at) / 86_400_000), 30);
  assert.ok(text.startsWith(key.prefix));

  await inDialog(page, "Copy").click();
  await page.getByText("Copied.").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text);
  const download = page.waitForEvent("download");
  await inDialog(page, "Download .env").click();
  const file = await download;
  assert.match(file.suggestedFilename(), /\.env$/);
  const chunks = [];
  for await (const chunk of await file.createReadStream()) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), `# Importer <b>7</b>\nACME_API_KEY=${text}\n`);

  // The second click of a double click on the form before, which may come when this dialog is there already.
  const { x, y, width, height } = await inDialog(page, "I have saved it").boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down({ clickCount: 2 });
  await page.mouse.up({ clickCount: 2 });
  // Neither Esc, nor several of them, nor a click beside it closes it.
  for (let turn = 0; turn < 3; turn += 1) await page.keyboard.press("Escape");
  await page.mouse.click(5, 5);
  await page.getByText("Save the key first").waitFor();
  assert.equal(await secret(page).innerText(), text);
  await inDialog(page, "I have saved it").click();
  await rowOf(page, "Importer <b>7</b>").waitFor();
  assert.ok(!(await page.content()).includes(text));
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })), "{}");
  assert.deepEqual(await events(), [["created", key.id, false]]);
});

test("a copy on plain HTTP works, and one that fails says so", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url.replace("localhost", "site.test"));
  assert.equal(await page.evaluate(() => isSecureContext), false);
  await settled(page);
  await fill(page, "CI");
  await inDialog(page, "Create key").click();
  const text = await secret(page).innerText();
  await inDialog(page, "Copy").click();
  await page.getByText("Copied.").waitFor();
  // The copied text is pasted into a field of the page below.
  await page.evaluate(() => (document.execCommand = () => false));
  await inDialog(page, "Copy").click();
  await page.getByText("Your browser did not allow copying.").waitFor();
  assert.equal(await page.evaluate(() => getSelection().toString()), text);
  await inDialog(page, "I have saved it").click();
  await page.getByLabel("Search keys").focus();
  await page.keyboard.press("Control+V");
  assert.equal(await page.getByLabel("Search keys").inputValue(), text);
});

test("a session that ends in the middle loses nothing that was typed", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url, { refusals: true });
  await settled(page);
  await fill(page, "Patient");
  site.signedIn = false;
  const ended = page.evaluate(() => new Promise((resolve) => document.addEventListener("session-ended", ({ target }) => resolve(target.localName))));
  await inDialog(page, "Create key").click();
  await page.getByText("Your session has ended.").waitFor();
  assert.equal(await ended, "keywright-keys");
  site.signedIn = true;
  await inDialog(page, "Create key").click();
  await secret(page).waitFor();
  await inDialog(page, "I have saved it").click();
  await rowOf(page, "Patient").waitFor();
  assert.equal((await site.org.keys.list()).data.length, 1);
});

test("a page in German tells the server's refusals in German", async (t) => {
  const site = await startSite(t, { lang: "de", attributes: 'fields="networks"' });
  const page = await openPage(t, site.url, { refusals: true });
  await page.getByRole("button", { name: "Schlüssel erstellen" }).click();
  await page.getByLabel("Name", { exact: true }).fill("Netz");
  await page.getByLabel("Erlaubte IP-Adressen").fill("nowhere");
  await inDialog(page, "Schlüssel erstellen").click();
  await dialog(page).getByRole("alert").filter({ hasText: /nicht angenommen.*\u2068Erlaubte IP-Adressen/ }).waitFor();
  assert.doesNotMatch(await dialog(page).getByRole("alert").innerText(), /address|range/);
});

test("permissions are searched, and a date is chosen", async (t) => {
  const scopes = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`area${at}:read`, `Read area ${at}`]));
  const site = await startSite(t, { engine: { scopes } });
  const page = await openPage(t, site.url, { timezoneId: "America/New_York" });
  await settled(page);
  await page.getByRole("button", { name: "Create key" }).first().click();
  await page.getByLabel("area3:read").check();
  await page.getByLabel("Search permissions").fill("AREA 7");
  await page.getByLabel("area3:read").waitFor({ state: "hidden" });
  await page.getByLabel("area7:read").check();
  await page.keyboard.press("Enter");
  await page.getByText("2 selected").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Dated");
  await page.getByLabel("Expiration", { exact: true }).selectOption("On a date…");
  await inDialog(page, "Create key").click();
  await page.getByText("Choose a date in the future.").waitFor();
  await page.getByLabel("Expiration date").fill("2999-12-31");
  await page.getByText("Expires on \u2068Dec 31, 2999\u2069.").waitFor();
  await inDialog(page, "Create key").click();
  const { key } = await site.kw.verify(await secret(page).innerText(), { scopes: "area3:read area7:read" });
  // Until that day ends where the page is.
  assert.equal(key.expires_at.toISOString(), "3000-01-01T04:59:59.000Z");
  await inDialog(page, "I have saved it").click();
});

const FAULTS = {
  "HTML with 200": [(response) => response.type("html").send("<h1>Hello</h1>"), /does not understand/],
  "an error of a proxy": [(response) => response.status(502).type("html").send("<h1>Bad gateway</h1>"), /had a problem/],
  "500": [(response) => response.status(500).json({ code: "UNAVAILABLE", detail: "The store cannot be reached" }), /had a problem.*The store cannot be reached/s],
  "a redirect": [(response) => response.redirect("/login"), /sent this page elsewhere/],
  "a body that ends early": [(response) => response.type("json").set("content-length", "500").write('{"id": "1", "na') && setTimeout(() => response.destroy(), 50), /incomplete|cannot be reached/],
  "another shape": [(response) => response.json({ hello: "world" }), /does not understand/],
  "no answer": [(response) => response.destroy(), /cannot be reached/],
};

test("whatever the server answers, the page says what happened and shows no key that is not made", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url, { refusals: true, init: hurry });
  for (const [name, [answer, told]] of Object.entries(FAULTS)) {
    site.fault = (_, response) => (answer(response), true);
    await page.reload();
    await page.getByRole("alert").filter({ hasText: told }).waitFor();
    site.fault = null;
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("No API keys yet").waitFor();
    await fill(page, name);
    site.fault = (_, response) => (answer(response), true);
    await inDialog(page, "Create key").click();
    await page.getByRole("heading", { name: "No answer yet" }).waitFor();
    await page.getByRole("alert").filter({ hasText: told }).waitFor();
    site.fault = null;
    await inDialog(page, "Check again").click();
    await secret(page).waitFor();
    await inDialog(page, "I have saved it").click();
    const [key, ...others] = (await site.org.keys.list()).data;
    assert.deepEqual([key.name, others], [name, []]);
    await site.org.keys.revoke(key.id);
    await page.reload();
    await settled(page);
  }
  // A refusal that is certain keeps the form; one that asks to wait is waited for.
  await fill(page, "Busy");
  const busy = (seconds) => (request, response) => request.method === "POST" && (response.status(429).set("retry-after", seconds).json({ code: "RATE_LIMITED", detail: "Slow down" }), true);
  site.fault = busy("3600");
  await inDialog(page, "Create key").click();
  await page.getByText(/Try again in [\d,]+ seconds/).waitFor();
  assert.equal(await inDialog(page, "Create key").isDisabled(), true);
  await inDialog(page, "Cancel").click();
  site.fault = busy("1");
  await fill(page, "Busy");
  await inDialog(page, "Create key").click();
  await dialog(page).getByRole("alert").filter({ hasText: "too many requests" }).waitFor();
  site.fault = null;
  // It waits until the button is enabled.
  await inDialog(page, "Create key").click();
  await secret(page).waitFor();
  await inDialog(page, "I have saved it").click();
  await page.context().setOffline(true);
  await page.getByLabel("Status").selectOption("all");
  await page.getByRole("alert").filter({ hasText: "cannot be reached" }).waitFor();
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await rowOf(page, "Busy").waitFor();
});

/** The events that the host gets, and whether any of them holds a secret. */
async function listen(page) {
  await page.evaluate(() => {
    window.heard = [];
    for (const name of ["created", "rotated", "revoked"]) {
      document.addEventListener(name, ({ type, detail }) => window.heard.push([type, detail.key.id, "api_key" in detail.key]));
    }
  });
  return () => page.evaluate(() => window.heard);
}
