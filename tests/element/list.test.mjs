import assert from "node:assert/strict";
import { test } from "node:test";
import { openPage, rowOf, settled } from "./browser.mjs";
import { startSite } from "./site.mjs";

test("a page without keys says so, and what to do", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url);
  await settled(page);
  await page.getByText("No API keys yet").waitFor();
  await page.getByRole("button", { name: "Create key" }).click();
  await page.getByRole("dialog", { name: "Create API key" }).waitFor();
});

test("a list shows each key with its use, its end and its state", async (t) => {
  const site = await startSite(t, { engine: { environments: ["live", "test"] } });
  const used = await site.org.keys.create({ name: "Production", scopes: "deals:read,deals:write,documents:read,rulesets:read" });
  await site.kw.verify(used.api_key);
  await site.kw.verify(used.api_key);
  await site.kw.flush();
  await site.org.keys.create({ name: "Soon", expires_in_days: 3, environment: "test", level: "read" });
  const off = await site.org.keys.create({ name: "Off" });
  await site.org.keys.disable(off.id);
  const turned = await site.org.keys.create({ name: "Turned" });
  await site.org.keys.rotate(turned.id, { grace: "24h" });
  const gone = await site.org.keys.create({ name: "Gone" });
  await site.org.keys.revoke(gone.id);

  const page = await openPage(t, site.url);
  await settled(page);
  const production = rowOf(page, "Production");
  assert.match(await production.innerText(), /2 requests/);
  assert.match(await production.innerText(), /\+2 more/);
  assert.match(await production.innerText(), new RegExp(`${used.prefix}…`));
  assert.match(await rowOf(page, "Soon").innerText(), /Never used\s+Expires.*in 3 days/s);
  assert.match(await rowOf(page, "Soon").innerText(), /Read only/);
  assert.match(await rowOf(page, "Soon").innerText(), /Created/);
  assert.match(await rowOf(page, "Off").innerText(), /Disabled/);
  assert.match(await rowOf(page, "Turned").innerText(), /Former secret works until/);
  assert.equal(await rowOf(page, "Gone").count(), 0);
  const content = await page.content();
  assert.ok(!content.includes(used.api_key));

  await page.getByLabel("Status").selectOption("all");
  await rowOf(page, "Gone").waitFor();
  await page.getByLabel("Environment").selectOption("test");
  await rowOf(page, "Gone").waitFor({ state: "detached" });
  await rowOf(page, "Soon").waitFor();
});

test("paging and search reach every key, and the address keeps the filter", async (t) => {
  const site = await startSite(t, { attributes: 'url-state="keys"' });
  for (let at = 0; at < 250; at += 1) await site.org.keys.create({ name: `key ${at}`, scopes: at === 7 ? "deals:read" : "" });
  const page = await openPage(t, site.url);
  await settled(page);
  const rows = page.locator("tbody tr");
  assert.equal(await rows.count(), 100);
  await page.getByRole("button", { name: "Show more" }).click();
  await page.locator("tbody tr").nth(199).waitFor();
  await page.getByRole("button", { name: "Show more" }).click();
  await page.locator("tbody tr").nth(249).waitFor();
  assert.equal(await page.getByRole("button", { name: "Show more" }).count(), 0);

  await page.getByLabel("Search keys").fill("deals");
  await page.getByText("1 of 250 searched").first().waitFor();
  assert.equal(await page.locator("tbody tr:visible").count(), 1, "rows that are not found are hidden before they are removed");
  await page.waitForFunction(() => document.querySelector("keywright-keys").shadowRoot.querySelectorAll("tbody tr").length === 1);
  await rowOf(page, "key 7").waitFor();
  await page.getByLabel("Search keys").fill("");
  await rows.nth(99).waitFor();

  await page.reload();
  await settled(page);
  await page.getByLabel("Search keys").fill("DEALS key");
  await rowOf(page, "key 7").waitFor();
  await page.getByText("1 of 250 searched").first().waitFor();
  assert.match(page.url(), /[?&]keys-search=DEALS\+key/);
  await page.reload();
  await rowOf(page, "key 7").waitFor();
  assert.equal(await rows.count(), 1);
  await page.getByLabel("Search keys").fill("nothing like it");
  await page.getByText("No key matches.").waitFor();
  await page.getByRole("button", { name: "Clear search and filters" }).click();
  await rows.nth(99).waitFor();
  assert.doesNotMatch(page.url(), /search/);
});

test("who may only read sees no way to change anything", async (t) => {
  const site = await startSite(t, { may: ["keys:read"] });
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url);
  await settled(page);
  await page.getByText("You can see these keys but not change them.").waitFor();
  for (const name of ["Create key", "Rotate", "Revoke"]) assert.equal(await page.getByRole("button", { name }).count(), 0);
  await page.getByRole("button", { name: /Details of/ }).click();
  await page.getByRole("dialog").waitFor();
  assert.deepEqual(await page.getByRole("dialog").getByRole("button").allInnerTexts(), ["Close"]);
});

const SPELLINGS = {
  camel: { casing: "camel" },
  bare: { list: "bare", secretField: "key", revoked: "success", nulls: "absent", createdStatus: 200 },
  path: { path: "/api-keys", casing: "camel", list: "bare", secretField: "key", revoked: "success", errors: "list" },
  plain: { errors: "plain", casing: "camel", secretField: "key" },
  few: { fields: { create: ["id", "name", "api_key"], list: ["id", "name", "status"] }, selfService: [] },
};

for (const [name, http] of Object.entries(SPELLINGS)) {
  test(`every spelling is understood: ${name}`, async (t) => {
    const site = await startSite(t, { http, attributes: http.path ? `path="${http.path}"` : "" });
    const page = await openPage(t, site.url, { refusals: true });
    await settled(page);
    await page.getByRole("button", { name: "Create key" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Spelt");
    await page.getByLabel("deals:read").check();
    await page.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
    const text = await page.getByRole("textbox", { name: "API key" }).innerText();
    const verified = await site.kw.verify(text, { scopes: "deals:read" });
    assert.equal(verified.allowed, true);
    assert.ok(verified.key.expires_at);
    await page.getByRole("button", { name: "I have saved it" }).click();
    await rowOf(page, "Spelt").waitFor();
    if (http.list === "bare") {
      for (let at = 0; at < 120; at += 1) await site.org.keys.create({ name: `key ${at}` });
      await page.reload();
      await page.getByRole("button", { name: "Show more" }).click();
      await rowOf(page, "Spelt").waitFor();
    }
    await page.getByRole("button", { name: "Revoke \u2068Spelt\u2069" }).click();
    await page.getByLabel(/to confirm/).fill("Spelt");
    await page.getByRole("button", { name: "Revoke key" }).click();
    await rowOf(page, "Spelt").waitFor({ state: "detached" });
    assert.equal((await site.kw.verify(text)).allowed, false);
  });
}

test("two elements on one page, one below a path, and one that another server would have to answer", async (t) => {
  const site = await startSite(t, { mount: "/deep/below/manage", body: "<keywright-keys></keywright-keys><keywright-keys readonly lang='de'></keywright-keys>" });
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url);
  await page.locator("keywright-keys").nth(0).getByRole("button", { name: "Create key" }).waitFor();
  await page.locator("keywright-keys").nth(1).getByRole("heading", { name: "API-Schlüssel" }).waitFor();
  await page.locator("keywright-keys").nth(1).getByText("Nie benutzt").waitFor();
  assert.equal(await page.locator("keywright-keys").nth(1).getByRole("button", { name: /erstellen/ }).count(), 0);
});

test("properties may be set before the element is there, and attributes come and go", async (t) => {
  const site = await startSite(t, {
    body: '<keywright-keys graces="2"></keywright-keys><script src="/early.js"></script>',
    files: { "/early.js": 'Object.assign(document.querySelector("keywright-keys"), { headers: { "x-early": "yes" }, envName: "EARLY" });' },
  });
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url);
  const asked = page.waitForRequest((request) => request.url().endsWith("/openapi.json") || request.url().includes("/keys?"));
  await page.reload();
  assert.equal((await (await asked).allHeaders())["x-early"], "yes");
  await settled(page);
  const element = page.locator("keywright-keys");
  const create = page.getByRole("button", { name: "Create key" });
  await create.waitFor();
  assert.deepEqual(await element.evaluate(({ envName, graces, readonly, defaultExpiry }) => [envName, graces, readonly, defaultExpiry]), ["EARLY", "2", false, 90]);
  await element.evaluate((it) => it.setAttribute("readonly", ""));
  await create.waitFor({ state: "detached" });
  await element.evaluate((it) => {
    it.removeAttribute("readonly");
    it.removeAttribute("graces");
    it.setAttribute("default-expiry", "30");
  });
  await create.waitFor();
  assert.deepEqual(await element.evaluate(({ graces, readonly, defaultExpiry }) => [graces, readonly, defaultExpiry]), ["1 24 168", false, 30]);
  await create.click();
  assert.equal(await page.getByLabel("Expiration").inputValue(), "30");
});
