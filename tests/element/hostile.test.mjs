// Servers, hosts and people that do what nobody expects.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, inDialog, opener, openPage, rowOf, secret, settled } from "./browser.mjs";
import { startSite } from "./site.mjs";

const MARKUP = `"'><img src=x onerror=alert(1)><script>alert(2)</script>&amp;{name}\${1}\u202e${"W".repeat(300)}`;

/** A key with a value of each field that no engine would give it. */
const MONSTER = {
  id: MARKUP,
  name: MARKUP,
  description: MARKUP,
  environment: MARKUP,
  prefix: MARKUP,
  status: "active",
  scopes: [MARKUP, MARKUP, MARKUP],
  level: MARKUP,
  tier: MARKUP,
  networks: [MARKUP],
  created_at: "yesterday",
  created_by: MARKUP,
  expires_at: "+999999-12-31T00:00:00Z",
  reason: MARKUP,
  last_used_at: MARKUP,
  usage_count: 1e308,
  denied_count: -1e-300,
  secrets: [null, 7, { prefix: MARKUP, grace_ends_at: MARKUP, last_used_at: {} }],
};

test("texts from a server are never markup, however they are", async (t) => {
  const site = await startSite(t, { attributes: 'fields="level networks"' });
  const page = await openPage(t, site.url, { refusals: true, viewport: { width: 320, height: 720 } });
  page.on("dialog", (dialog) => page.complaints.push(dialog.message()));
  site.fault = (request, response) => {
    if (request.path.endsWith("/keys") && request.method === "GET") response.json({ data: [MONSTER] });
    else if (request.path.endsWith("/scopes")) response.json([{ scope: MARKUP, description: MARKUP }]);
    else if (request.path.endsWith("/whoami")) return false;
    else if (request.method === "GET") response.json(MONSTER);
    else response.status(422).set("x-request-id", "<b>1</b>").json({ code: "VALIDATION_FAILED", detail: MARKUP });
    return true;
  };
  await page.reload();
  await settled(page);
  await isPlain(page);
  await page.getByRole("button", { name: /^Details of/ }).click();
  await page.getByText("Created by").waitFor();
  await isPlain(page);
  await inDialog(page, "Rotate").click();
  await page.getByText("The current secret stops working").waitFor();
  await isPlain(page);
  await inDialog(page, "Cancel").click();
  await page.getByRole("button", { name: "Create key" }).click();
  await page.getByRole("checkbox").waitFor();
  await page.getByLabel("Name", { exact: true }).fill(MARKUP);
  await inDialog(page, "Create key").click();
  await page.getByText("did not accept this").waitFor();
  await isPlain(page);
});

const json = (text) => (response) => response.type("json").send(text);

/** Sends as fast as somebody reads, until nobody does. */
function flood(response) {
  const more = () => {
    while (!response.destroyed && response.write(" ".repeat(1 << 16)));
  };
  response.type("json").on("drain", more);
  more();
}

/** Answers to a list, and what the page says. */
const ANSWERS = {
  "null": [json("null"), /does not understand/],
  "a number": [json("7"), /does not understand/],
  "a list of nothing": [json("[null]"), /does not understand/],
  "keys in place of a list": [json('{"data": {"0": {"id": 1}}}'), /does not understand/],
  "a key without an id": [json('{"data": [{"name": "CI"}]}'), /does not understand/],
  "an id that is none": [json('{"data": [{"id": {}, "name": "CI"}]}'), /does not understand/],
  "an abyss": [json("[".repeat(1_000_000)), /incomplete/],
  "nothing": [(response) => response.status(204).end(), /incomplete/],
  "an error with 200": [json('{"error": "not today"}'), /does not understand/],
  "HTML that calls itself JSON": [json("<!doctype html><p>Sign in"), /does not understand/],
  "a flood": [flood, /does not understand/],
  "a body without an end": [(response) => response.type("json") && response.write('{"data": ['), /took too long/],
  "429 for ever": [(response) => response.status(429).set("retry-after", "9".repeat(40)).json({ code: "RATE_LIMITED" }), /too many requests/],
  "429 until a date": [(response) => response.status(429).set("retry-after", new Date(Date.now() + 60_000).toUTCString()).end("slow"), /too many requests/],
  "429 until nobody knows": [(response) => response.status(429).set("retry-after", "soon").end(), /too many requests/],
  "401 of a proxy": [(response) => response.status(401).type("html").send("<h1>Who?</h1>"), /session has ended/],
  "403 of a firewall": [(response) => response.status(403).type("html").send("<h1>No</h1>"), /not allowed/],
  "500 with another shape": [(response) => response.status(500).json({ errors: "none", detail: { at: 1 } }), /had a problem/],
  "a redirect": [(response) => response.redirect(307, "/followed"), /sent this page elsewhere/],
};

test("a list that is none is told as such, and comes when the server has recovered", async (t) => {
  const site = await startSite(t);
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url, {
    refusals: true,
    init: () => {
      // Where nothing will come, the page is as impatient as a test.
      const { timeout } = AbortSignal;
      AbortSignal.timeout = (most) => timeout.call(AbortSignal, sessionStorage.getItem("impatient") ? 1_000 : most);
    },
  });
  await settled(page);
  for (const [name, [answer, told]] of Object.entries(ANSWERS)) {
    const closed = new Promise((resolve) => {
      site.fault = (request, response) => request.path.endsWith("/keys") && (response.on("close", resolve), answer(response), true);
    });
    if (name === "a body without an end") await page.evaluate(() => sessionStorage.setItem("impatient", "yes"));
    await page.reload();
    await page.getByRole("alert").filter({ hasText: told }).waitFor();
    assert.equal(await page.getByRole("row").count(), 0, name);
    assert.equal(await page.getByText("Loading keys…").count(), 0, name);
    // The page listens to none of them any longer.
    await closed;
    site.fault = null;
    await page.evaluate(() => sessionStorage.clear());
    if (await page.getByRole("button", { name: "Try again", exact: true }).isVisible()) await page.getByRole("button", { name: "Try again" }).click();
    else await page.reload();
    await rowOf(page, "CI").waitFor();
  }
  assert.ok(!site.asked.includes("GET /followed"));
  // A content type of its own does no harm.
  const list = await (await fetch(`${site.url}manage/keys`, { headers: { cookie: "session=alice" } })).text();
  site.fault = (request, response) => request.path.endsWith("/keys") && (response.type("text/html").send(list), true);
  await page.reload();
  await rowOf(page, "CI").waitFor();
  site.fault = null;
});

test("names of fields that mean something to the language mean nothing", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url);
  await settled(page);
  site.fault = (request, response) => request.path.endsWith("/keys") && (json('{"__proto__": {"polluted": true}, "data": [{"__proto__": {"status": "revoked"}, "constructor": 1, "id": 1, "name": "CI", "toString": 2}]}')(response), true);
  await page.reload();
  await rowOf(page, "CI").getByText("Active").waitFor();
  assert.equal(await page.evaluate(() => ({}).polluted), undefined);
});

test("what a script of the host has put on every object is not taken for an answer", async (t) => {
  const site = await startSite(t, { http: { fields: { create: ["id", "name", "api_key"], list: ["id", "name", "status"] } } });
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url, {
    refusals: true,
    init: () =>
      Object.assign(Object.prototype, {
        api_key: "acme_live_polluted_polluted", key: "acme_live_polluted_polluted", success: true, description: "polluted", scopes: ["polluted:read"],
        secrets: [{ prefix: "polluted" }], last_used_at: "2020-01-01T00:00:00Z", detail: "polluted", code: "POLLUTED", errors: [{ detail: "polluted" }], body: "polluted", next_cursor: "polluted",
      }),
  });
  await settled(page);
  const shown = () => page.locator("keywright-keys").getByText(/polluted/).count();
  await rowOf(page, "CI").getByText("Active").waitFor();
  await opener(page, "Revoke", "CI").click();
  await page.getByLabel(/to confirm/).fill("CI");
  site.fault = (request, response) => request.method === "DELETE" && (response.json({ hello: "world" }), true);
  await inDialog(page, "Revoke key").click();
  await page.getByText("does not understand").waitFor();
  assert.equal(await shown(), 0);
  await inDialog(page, "Cancel").click();
  await fill(page, "Lost");
  site.fault = (request, response) => {
    if (request.method !== "POST") return false;
    site.fault = null;
    response.end = () => response.destroy();
    return false;
  };
  await inDialog(page, "Create key").click();
  await page.getByRole("heading", { name: "The key was not delivered" }).waitFor();
  assert.equal(await shown(), 0);
});

test("a list that never ends is not asked for for ever", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url);
  await settled(page);
  let asked = 0;
  site.fault = (request, response) => request.path.endsWith("/keys") && (response.json({ data: [{ id: 1, name: "CI" }], next_cursor: `again ${(asked += 1)}` }), true);
  await page.reload();
  await rowOf(page, "CI").waitFor();
  await page.getByLabel("Search keys").fill("nothing like it");
  await page.getByText("No key matches.").waitFor();
  assert.equal(asked, 2);
});

test("a double click does one thing", async (t) => {
  const site = await startSite(t);
  await site.org.keys.create({ name: "Twice" });
  const page = await openPage(t, site.url);
  const sent = (method) => site.asked.filter((line) => line.startsWith(method)).length;
  await settled(page);
  await opener(page, "Rotate", "Twice").dblclick();
  // The second click of a double click on the button below, which may come when the dialog is there already.
  const { x, y, width, height } = await inDialog(page, "Rotate key").boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down({ clickCount: 2 });
  await page.mouse.up({ clickCount: 2 });
  await inDialog(page, "Rotate key").dblclick();
  await secret(page).waitFor();
  await inDialog(page, "I have saved it").dblclick();
  assert.equal(sent("POST"), 1);
  await opener(page, "Rotate", "Twice").click();
  await inDialog(page, "End now").dblclick();
  await page.getByLabel(/After .24 hours/).waitFor();
  assert.equal(sent("POST"), 2);
  await inDialog(page, "Cancel").click();
  await opener(page, "Revoke", "Twice").click();
  await page.getByLabel(/to confirm/).fill("Twice");
  await inDialog(page, "Revoke key").dblclick();
  await page.getByText("No API keys yet").waitFor();
  assert.equal(sent("DELETE"), 1);
});

test("of two tabs that rotate one key, the second hears that it was too late", async (t) => {
  const site = await startSite(t);
  await site.org.keys.create({ name: "Both" });
  const page = await openPage(t, site.url, { refusals: true });
  const other = await page.context().newPage();
  await other.goto(site.url);
  for (const tab of [page, other]) {
    await opener(tab, "Rotate", "Both").click();
    await tab.getByLabel(/After .24 hours/).waitFor();
  }
  await inDialog(page, "Rotate key").click();
  const text = await secret(page).innerText();
  await inDialog(other, "Rotate key").click();
  await other.getByRole("dialog").getByRole("alert").waitFor();
  assert.equal(await secret(other).count(), 0);
  await inDialog(page, "I have saved it").click();
  assert.equal((await site.kw.verify(text)).allowed, true);
  assert.equal(await other.evaluate(() => localStorage.length), 0);
});

test("a session that ends in the middle of anything is said, and what was begun goes on", async (t) => {
  const site = await startSite(t);
  const key = await site.org.keys.create({ name: "Here" });
  const page = await openPage(t, site.url, { refusals: true });
  await settled(page);
  const ended = async (press) => {
    site.signedIn = false;
    await press();
    await page.getByText("Your session has ended.").first().waitFor();
    site.signedIn = true;
    await press();
  };
  await opener(page, "Rotate", "Here").click();
  await page.getByLabel(/After .24 hours/).waitFor();
  await ended(() => inDialog(page, "Rotate key").click());
  await secret(page).waitFor();
  await inDialog(page, "I have saved it").click();
  await page.getByRole("button", { name: /^Details of/ }).click();
  await ended(() => inDialog(page, "Disable").click());
  await inDialog(page, "Enable").waitFor();
  assert.equal((await site.kw.verify(key.api_key)).code, "disabled");
  await inDialog(page, "Close").click();
  await opener(page, "Revoke", "Here").click();
  await page.getByLabel(/to confirm/).fill("Here");
  await ended(() => inDialog(page, "Revoke key").click());
  await page.getByText("No API keys yet").waitFor();
});

test("nothing in a form looks like a password or an address to a browser that fills in forms", async (t) => {
  const site = await startSite(t, { attributes: 'fields="level networks"' });
  const page = await openPage(t, site.url);
  const fields = () =>
    page.locator("keywright-keys").evaluate(({ shadowRoot }) =>
      [...shadowRoot.querySelectorAll("input, select, textarea")].map((field) => ({ type: field.type, value: field.value, autocomplete: field.autocomplete || field.form?.autocomplete || "on" })),
    );
  const isSafe = async (text) => {
    for (const { type, value, autocomplete } of await fields()) {
      assert.notEqual(type, "password");
      assert.ok(!text || !value.includes(text));
      if (!["checkbox", "radio", "select-one"].includes(type)) assert.equal(autocomplete, "off");
    }
  };
  await settled(page);
  await fill(page, "Form");
  await page.getByLabel("Expiration").selectOption("On a date…");
  await page.getByLabel("Expiration date").waitFor();
  assert.ok((await fields()).length > 6);
  await isSafe();
  await page.getByLabel("Expiration", { exact: true }).selectOption("30");
  await inDialog(page, "Create key").click();
  const text = await secret(page).innerText();
  await isSafe(text);
  assert.equal(await secret(page).getAttribute("translate"), "no");
  await inDialog(page, "I have saved it").click();
  await opener(page, "Revoke", "Form").click();
  await isSafe(text);
});

test("a browser that keeps the page for its way back shows no secret there", async (t) => {
  const site = await startSite(t, { files: { "/other.html": '<!doctype html><title>Other</title><link rel="icon" href="data:,">' } });
  const page = await openPage(t, site.url);
  await settled(page);
  await fill(page, "Kept");
  await inDialog(page, "Create key").click();
  const text = await secret(page).innerText();
  await page.evaluate(() => (window.isKept = true));
  page.once("dialog", (dialog) => dialog.accept());
  await page.goto(`${site.url}other.html`);
  await page.evaluate(() => void setTimeout(() => history.back()));
  await page.getByText("The secret of \u2068Kept\u2069 was shown, but nobody confirmed").waitFor();
  assert.equal(await secret(page).count(), 0);
  assert.ok(!(await page.locator("keywright-keys").evaluate(({ shadowRoot }) => shadowRoot.innerHTML)).includes(text));
  // A browser that is short of memory loads the page again instead.
  t.diagnostic(`kept: ${await page.evaluate(() => window.isKept === true)}`);
});

const LANGUAGES = {
  en_US: ["en-US", "API keys", "Never used"],
  "en-GB": ["en-GB", "API keys", "Never used"],
  DE_at: ["de-AT", "API-Schlüssel", "Nie benutzt"],
  fr: ["en", "API keys", "Never used"],
  constructor: ["en", "API keys", "Never used"],
  "no language": ["en", "API keys", "Never used"],
};

test("a language that no page has is none that the page fails of", async (t) => {
  const body = Object.keys(LANGUAGES).map((lang) => `<keywright-keys lang="${lang}" time-zone="Mars/Base"></keywright-keys>`).join("");
  const site = await startSite(t, { body });
  await site.org.keys.create({ name: "CI" });
  const page = await openPage(t, site.url);
  for (const [at, [lang, ...texts]] of Object.values(LANGUAGES).entries()) {
    const element = page.locator("keywright-keys").nth(at);
    for (const text of texts) await element.getByText(text, { exact: true }).first().waitFor();
    assert.equal(await element.locator("[part=page]").getAttribute("lang"), lang);
  }
});

/** Nothing in the page was made from a text, nothing is wider than the page, and the texts stand there as they are. */
async function isPlain(page) {
  const found = await page.locator("keywright-keys").evaluate(({ shadowRoot }) => ({
    made: shadowRoot.querySelectorAll("img, script, b").length,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    isThere: shadowRoot.textContent.includes("<img src=x onerror=alert(1)>"),
  }));
  assert.deepEqual(found, { made: 0, overflow: 0, isThere: true });
}
