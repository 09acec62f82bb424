import assert from "node:assert/strict";
import { test } from "node:test";
import { PATIENCE, inDialog, opener, openPage, rowOf, secret, settled } from "./browser.mjs";
import { startSite } from "./site.mjs";

test("a rotation with a grace, its end, and one for a leaked key", async (t) => {
  const site = await startSite(t);
  const first = await site.org.keys.create({ name: "Worker", scopes: "deals:read" });
  await site.kw.verify(first.api_key);
  await site.kw.flush();
  const page = await openPage(t, site.url);
  await settled(page);
  await opener(page, "Rotate", "Worker").click();
  await page.getByText(/The current secret was last used/).waitFor();
  assert.equal(await page.getByLabel(/After .24 hours/).isChecked(), true);
  await page.getByLabel(/After .1 hour/).check();
  await inDialog(page, "Rotate key").click();
  const second = await secret(page).innerText();
  await page.getByText(/The former secret works until/).first().waitFor();
  await inDialog(page, "I have saved it").click();
  for (const text of [first.api_key, second]) assert.equal((await site.kw.verify(text)).allowed, true);
  const [key] = (await site.org.keys.list()).data;
  assert.equal(Math.round((key.secrets.find((it) => it.grace_ends_at).grace_ends_at - Date.now()) / 3_600_000), 1);

  // Within the grace the page offers to end it, and says whether the former secret is still in use.
  await site.kw.flush();
  await opener(page, "Rotate", "Worker").click();
  await page.getByText(/A former secret still works until/).waitFor();
  await page.getByText(/It was last used/).waitFor();
  assert.equal(await page.getByLabel(/After/).count(), 0);
  await inDialog(page, "End now").click();
  await page.getByRole("radio", { name: /After .24 hours/, checked: true }).and(page.locator(":focus")).waitFor();
  assert.equal((await site.kw.verify(first.api_key)).code, "revoked");

  await page.getByLabel(/Now: it has leaked/).check();
  await inDialog(page, "Rotate and stop the old secret").click();
  const third = await secret(page).innerText();
  await page.getByText("The former secret no longer works.").waitFor();
  await inDialog(page, "I have saved it").click();
  assert.equal((await site.kw.verify(second)).code, "revoked");
  assert.equal((await site.kw.verify(third)).allowed, true);
});

test("a revocation asks for the name, however it is written", async (t) => {
  const site = await startSite(t);
  const names = ["Plain", "مفتاح الإنتاج", "Schlüssel  für\u00a0Zürich", "<img src=x onerror=alert(1)>"];
  for (const name of names) {
    const key = await site.org.keys.create({ name });
    await site.kw.verify(key.api_key);
  }
  await site.kw.flush();
  const page = await openPage(t, site.url);
  await settled(page);
  for (const name of names) {
    const row = page.locator("tbody tr").filter({ hasText: name.split(/[ \u00a0]/)[0] });
    await row.getByRole("button", { name: /^Revoke/ }).click();
    await page.getByText(/It was last used .*something may still depend on it/).waitFor();
    await page.getByLabel(/to confirm/).fill(`not ${name}`);
    await inDialog(page, "Revoke key").click();
    await page.getByText("This is not the name of the key.").waitFor();
    // As people type it: in another form of its letters, with other spaces.
    await page.getByLabel(/to confirm/).fill(` ${name.normalize("NFD").replace(/\s+/g, " ")} `);
    await inDialog(page, "Revoke key").click();
    await row.waitFor({ state: "detached" });
  }
  assert.equal((await site.org.keys.list()).data.length, 0);
  await page.getByText("No API keys yet").waitFor();
});

test("details tell all, and a key is disabled and enabled there", async (t) => {
  const site = await startSite(t);
  const made = await site.org.keys.create({ name: "Detailed", description: "Publishes <i>builds</i>", scopes: "deals:read", networks: ["10.0.0.0/8"] });
  const page = await openPage(t, site.url);
  await settled(page);
  const events = page.evaluate(
    () =>
      new Promise((resolve) => {
        const heard = [];
        const element = document.querySelector("keywright-keys");
        for (const name of ["disabled", "enabled"]) element.addEventListener(name, ({ type, detail }) => heard.push([type, detail.key.name]) === 2 && resolve(heard));
      }),
  );
  await page.getByRole("button", { name: /Details of/ }).click();
  const dialog = page.getByRole("dialog", { name: "Detailed" });
  for (const text of ["Publishes <i>builds</i>", "10.0.0.0/8", String(made.id), "deals:read", "Current"]) await dialog.getByText(text).first().waitFor();
  await inDialog(page, "Disable").click();
  await inDialog(page, "Enable").and(page.locator(":focus")).waitFor();
  assert.equal((await site.kw.verify(made.api_key)).code, "disabled");
  await inDialog(page, "Enable").click();
  await inDialog(page, "Disable").waitFor();
  assert.equal((await site.kw.verify(made.api_key)).code, "ip_not_allowed");
  await inDialog(page, "Close").click();
  assert.deepEqual(await events, [["disabled", "Detailed"], ["enabled", "Detailed"]]);
  // The focus is back where the dialog was opened.
  assert.match(await page.evaluate(() => document.querySelector("keywright-keys").shadowRoot.activeElement.getAttribute("aria-label")), /Details of/);
});

test("all that may change of a key is edited, and the secret stays", async (t) => {
  const site = await startSite(t, { engine: { tiers: { basic: 100, premium: 1_000, former: 10 } }, attributes: 'fields="level networks" tiers="basic premium"' });
  const made = await site.org.keys.create({
    name: "Draft", description: "old", scopes: "deals:read,documents:*", networks: ["10.0.0.0/8"], level: "read", tier: "former", expires_in_days: 10,
  });
  const page = await openPage(t, site.url, { refusals: true });
  await settled(page);
  const events = page.evaluate(() => new Promise((resolve) => document.addEventListener("updated", ({ detail }) => resolve(detail.key.name))));
  const edit = async (name) => {
    await opener(page, "Details of", name).click();
    await inDialog(page, "Edit").click();
    await page.getByLabel("deals:read").waitFor();
  };
  await edit("Draft");
  assert.equal(await page.getByLabel("deals:read").isChecked(), true);
  assert.equal(await page.getByLabel("Description").inputValue(), "old");
  assert.equal(await page.getByLabel("Allowed IP addresses").inputValue(), "10.0.0.0/8");
  await page.getByLabel("Name", { exact: true }).fill("");
  await inDialog(page, "Save changes").click();
  await page.getByText("Enter a name.").waitFor();
  await page.getByLabel("Name", { exact: true }).fill("Final");
  await page.getByLabel("Description").fill("");
  await page.getByLabel("deals:read").uncheck();
  await page.getByLabel("deals:write").check();
  assert.equal(await page.getByLabel("Expiration", { exact: true }).inputValue(), "kept");
  await page.getByLabel("Expiration", { exact: true }).selectOption("30");
  assert.deepEqual(await page.getByLabel("Rate limit tier").locator("option").allInnerTexts(), ["former", "basic", "premium"]);
  assert.equal(await page.getByLabel("Rate limit tier").inputValue(), "former");
  await page.getByLabel("Rate limit tier").selectOption("premium");
  assert.equal(await page.getByLabel("Read only").isChecked(), true);
  await page.getByLabel("Full access").check();
  await page.getByLabel("Allowed IP addresses").fill("nowhere");
  await inDialog(page, "Save changes").click();
  // The refusal names the field as the form does, and the focus is there.
  await page.getByRole("alert").getByText(/did not accept this.*Allowed IP addresses: holds an entry/s).waitFor();
  await page.locator("textarea[aria-invalid=true]:focus").waitFor();
  const isInSight = ({ shadowRoot }) => shadowRoot.activeElement.getBoundingClientRect().bottom <= shadowRoot.querySelector(".buttons").getBoundingClientRect().top;
  assert.ok(await page.locator("keywright-keys").evaluate(isInSight));
  await page.getByLabel("Allowed IP addresses").fill("127.0.0.1\n::1");
  await inDialog(page, "Save changes").click();
  await rowOf(page, "Final").getByText("deals:write").waitFor();
  assert.equal(await events, "Final");
  const { key } = await site.kw.verify(made.api_key, { ip: "127.0.0.1" });
  assert.deepEqual([key.name, key.description, key.scopes], ["Final", null, ["deals:write", "documents:*"]]);
  assert.deepEqual([key.level, key.tier, Math.round((key.expires_at - key.created_at) / 86_400_000)], ["full", "premium", 30]);
  const saved = async () => {
    await inDialog(page, "Save changes").click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    return site.org.keys.get(made.id);
  };
  await edit("Final");
  await page.getByLabel("Allowed IP addresses").fill("");
  const lifted = await saved();
  assert.deepEqual([lifted.networks, lifted.expires_at, lifted.tier, lifted.level], [null, key.expires_at, "premium", "full"]);
  await edit("Final");
  await page.getByLabel("Expiration", { exact: true }).selectOption("never");
  await page.getByText("Works until somebody revokes it.").waitFor();
  assert.equal((await saved()).expires_at, null);
});

test("the expiry of a key that has expired cannot be edited", async (t) => {
  const site = await startSite(t);
  const { id } = await site.org.keys.create({ name: "Over", expires_at: new Date(Date.now() + 5_000) });
  const deadline = Date.now() + PATIENCE;
  while ((await site.org.keys.get(id)).status !== "expired") {
    assert.ok(Date.now() < deadline);
    await new Promise((done) => setTimeout(done, 100));
  }
  const page = await openPage(t, site.url);
  await opener(page, "Details of", "Over").click();
  await inDialog(page, "Edit").click();
  await page.getByLabel("deals:read").check();
  assert.equal(await page.getByLabel("Expiration").count(), 0);
  await inDialog(page, "Save changes").click();
  await rowOf(page, "Over").getByText("deals:read").waitFor();
});

test("everything is done with the keyboard alone", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url);
  await page.getByRole("button", { name: "Create key" }).waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.getByLabel("deals:read").waitFor();
  await page.keyboard.type("Typed");
  await page.keyboard.press("Enter");
  await secret(page).waitFor();
  const focused = () => page.evaluate(() => document.querySelector("keywright-keys").shadowRoot.activeElement?.textContent.trim());
  assert.equal(await focused(), "Copy");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "I have saved it");
  await page.keyboard.press("Enter");
  // The button that opened the dialog went with the empty page.
  await page.locator("h2:focus").getByText("API keys").waitFor();
  await opener(page, "Revoke", "Typed").focus();
  await page.keyboard.press("Enter");
  await page.getByLabel(/to confirm/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(), "Revoke");
  await page.keyboard.press("Enter");
  await page.keyboard.type("Typed");
  await page.keyboard.press("Enter");
  await page.getByText("No API keys yet").waitFor();
});

test("what another tab has done is seen, and what is gone is said", async (t) => {
  const site = await startSite(t);
  await site.org.keys.create({ name: "Shared" });
  const page = await openPage(t, site.url, { refusals: true });
  await opener(page, "Revoke", "Shared").waitFor();
  const other = await page.context().newPage();
  await other.goto(site.url);
  await settled(other);
  await opener(other, "Revoke", "Shared").click();
  await other.getByLabel(/to confirm/).fill("Shared");
  await inDialog(other, "Revoke key").click();
  await page.getByText("No API keys yet").waitFor();
  // A session without the right to it is refused by the server, and the page says so.
  await site.org.keys.create({ name: "Forbidden" });
  await page.reload();
  await opener(page, "Revoke", "Forbidden").waitFor();
  site.may = ["keys:read"];
  await opener(page, "Revoke", "Forbidden").click();
  await page.getByLabel(/to confirm/).fill("Forbidden");
  await inDialog(page, "Revoke key").click();
  await page.getByText("You are not allowed to do this.").waitFor();
  assert.equal((await site.org.keys.list()).data.length, 1);
});

test("a host's colours, parts, slots, words, headers and token are used", async (t) => {
  const site = await startSite(t, {

    body: '<keywright-keys csrf-header="X-CSRF-Token" csrf-token="t0ken" lang="de"><h2 slot="heading">Zugänge</h2><p slot="reveal">Weiter geht es hier.</p></keywright-keys>',
  });
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url);
  await settled(page);
  await page.getByRole("heading", { name: "Zugänge" }).waitFor();
  const headers = [];
  page.on("request", (request) => headers.push(request.headers()));
  await page.evaluate(() => {
    const element = document.querySelector("keywright-keys");
    element.style.setProperty("--keywright-accent", "rgb(1, 2, 3)");
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("keywright-keys::part(primary-button) { border-radius: 3px }");
    document.adoptedStyleSheets.push(sheet);
    element.messages = { create: "Neuer Zugang" };
    element.headers = async () => ({ "x-tenant": "acme" });
    void element.reload();
  });
  const create = page.getByRole("button", { name: "Neuer Zugang" });
  await create.waitFor();
  assert.deepEqual(await create.evaluate((node) => [getComputedStyle(node).backgroundColor, getComputedStyle(node).borderRadius]), ["rgb(1, 2, 3)", "3px"]);
  await create.click();
  await page.getByLabel("Name", { exact: true }).fill("Wort");
  await page.getByRole("dialog").getByRole("button", { name: "Neuer Zugang" }).click();
  await page.getByText("Weiter geht es hier.").waitFor();
  assert.ok(headers.some((it) => it["x-csrf-token"] === "t0ken" && it["x-tenant"] === "acme"));
  await inDialog(page, "Ich habe ihn gesichert").click();
});

test("ten thousand keys: all are found, and a thousand rows never hold the page up for long", async (t) => {
  const site = await startSite(t);
  // One word with letters that no id has: ids are searched too, and some hold the digits of a number.
  for (let from = 0; from < 10_000; from += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, at) => site.org.keys.create({ name: `key-${from + at}`, scopes: "deals:read" })));
  }
  const page = await openPage(t, site.url, { init: () => new PerformanceObserver((list) => (window.longest = Math.max(window.longest ?? 0, ...list.getEntries().map((it) => it.duration)))).observe({ entryTypes: ["longtask"] }) });
  await settled(page);
  await page.getByLabel("Search keys").fill("key-4321");
  await rowOf(page, "key-4321").waitFor();
  await page.getByText("1 of 10,000 searched").first().waitFor();
  await page.getByLabel("Search keys").fill("");
  for (let shown = 200; shown <= 1_000; shown += 100) {
    await page.getByRole("button", { name: "Show more" }).click();
    await page.locator("tbody tr").nth(shown - 1).waitFor();
  }
  t.diagnostic(`the longest task took ${await page.evaluate(() => window.longest ?? 0)} ms`);
});
