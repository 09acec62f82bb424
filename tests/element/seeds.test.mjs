// The portals of four products, in the words of their documents: each line of a document that a page has to keep, done in a browser.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inDialog, opener, openPage, secret, settled } from "./browser.mjs";
import { SCOPES, startSite } from "./site.mjs";

const press = (page, verb, name) => opener(page, verb, name).click();

async function create(page, name, choose = async () => {}) {
  await page.getByRole("button", { name: "Create key" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill(name);
  await choose();
  await inDialog(page, "Create key").click();
  const text = await secret(page).innerText();
  await inDialog(page, "I have saved it").click();
  return text;
}

async function revoke(page, name) {
  await press(page, "Revoke", name);
  await page.getByLabel(/to confirm/).fill(name);
  await inDialog(page, "Revoke key").click();
  await page.getByText(name, { exact: true }).first().waitFor({ state: "detached" });
}

/** The person who has come in by the link of the dashboard. */
async function visit(t, site, link) {
  const page = await openPage(t, site.url);
  await page.getByRole("link", { name: link }).click();
  await settled(page);
  return page;
}

const SESSION_KEY = "a secret of these sessions, longer than 32 bytes";
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
function token() {
  const text = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded({ sub: "alice", org: "acme", exp: Math.floor(Date.now() / 1_000) + 600 })}`;
  return `${text}.${createHmac("sha256", SESSION_KEY).update(text).digest("base64url")}`;
}

const html = (name) => readFileSync(new URL(`seeds/${name}.html`, import.meta.url), "utf8");

const SEEDS = {
  lendiq: {
    site: { engine: { brand: "liq", environments: ["live", "test"], environment: "*", idStyle: "integer" }, at: "/portal/keys" },
    link: "API Keys",
    steps: {
      "Create API keys programmatically or from the portal. Each key can be scoped to specific permissions and given an expiration.": async (page, site) => {
        for (const [scope, description] of Object.entries(SCOPES)) site.catalogue.push([scope, description]);
        const text = await create(page, "Production Integration", async () => {
          for (const [scope, description] of site.catalogue) await page.getByLabel(`${scope} ${description}`).waitFor();
          for (const scope of ["deals:read", "deals:write", "documents:write"]) await page.getByLabel(scope).check();
          await page.getByLabel("Expiration").selectOption("365");
        });
        assert.match(text, /^liq_live_/);
        const { key } = await site.kw.verify(text, { scopes: "deals:read,deals:write,documents:write" });
        assert.equal(Math.round((key.expires_at - key.created_at) / 86_400_000), 365);
        site.text = text;
      },
      "Warning: The full API key is only returned at creation time. Store it securely — it cannot be retrieved again.": async (page, site) => {
        await press(page, "Details of", "Production Integration");
        await inDialog(page, "Close").waitFor();
        await page.getByText("Current").waitFor();
        assert.ok(!(await page.locator("keywright-keys").evaluate((element) => element.shadowRoot.textContent)).includes(site.text));
        await inDialog(page, "Close").click();
      },
    },
  },
  lendworks: {
    site: {
      engine: { keyFormat: "lw_{lookup:10}_{secret:32}{checksum:6}", brand: undefined, scopes: undefined, tiers: { basic: 100, standard: 1_000, premium: 10_000 } },
      http: { credentials: ["Authorization"], errors: "list" },
      at: "/admin/api-keys",
    },
    link: "API Keys",
    steps: {
      "Create and manage API keys in Admin > API Keys. Each key has:": async (page, site) => {
        site.first = await create(page, "Worker", async () => {
          for (const level of ["Read only", "Read and write", "Full access"]) await page.getByLabel(level).waitFor();
          await page.getByLabel("Read and write").check();
          await page.getByLabel("Rate limit tier").selectOption("standard");
        });
        assert.match(site.first, /^lw_[0-9A-Za-z]{10}_/);
        const { key } = await site.kw.verify(site.first, { method: "GET" });
        assert.deepEqual([key.level, key.tier], ["read_write", "standard"]);
      },
      "  1. Navigate to Admin > API Keys and click Rotate on an existing key": async (page) => {
        await page.getByRole("link", { name: "API Keys" }).click();
        await settled(page);
        await press(page, "Rotate", "Worker");
      },
      "  2. A new key is generated immediately": async (page, site) => {
        await page.getByLabel(/After .24 hours/).waitFor();
        await inDialog(page, "Rotate key").click();
        site.second = await secret(page).innerText();
        await inDialog(page, "I have saved it").click();
      },
      "  3. The old key enters a grace period (configurable, default 24 hours)": async (page, site) => {
        await page.getByText(/Former secret works until/).waitFor();
        const [key] = (await site.org.keys.list()).data;
        assert.equal(Math.round((key.secrets.find((it) => it.grace_ends_at).grace_ends_at - Date.now()) / 3_600_000), 24);
      },
      "  4. Both keys work during the grace period": async (_, site) => {
        for (const text of [site.first, site.second]) assert.equal((await site.kw.verify(text, { method: "GET" })).allowed, true);
      },
    },
  },
  leadhql: {
    site: {
      engine: { keyFormat: "leadhql_pk_{lookup:12}{secret:32}{checksum:6}", brand: undefined, scopes: undefined },
      http: {
        credentials: ["Authorization"],
        session: { algorithm: "HS256", key: SESSION_KEY },
        path: "/api-keys",
        casing: "camel",
        list: "bare",
        secretField: "key",
        revoked: "success",
        fields: {
          create: ["id", "name", "api_key", "status", "created_at", "expires_at"],
          list: ["id", "name", "status", "created_at", "last_used_at", "usage_count", "expires_at"],
        },
      },
      signedIn: false,
      at: "/integrations",
      files: { "/app.js": readFileSync(new URL("seeds/leadhql.js", import.meta.url), "utf8"), "/session": token },
    },
    link: "Integrations",
    steps: {
      "You can create API keys from the LeadHQL dashboard under Integrations, or programmatically via the API using a JWT session token.": async (page, site) => {
        site.text = await create(page, "My Integration", () => page.getByLabel("Expiration").selectOption("90"));
        assert.match(site.text, /^leadhql_pk_[0-9A-Za-z]{50}$/);
      },
      "| Field | Type | Required | Description | |-------|------|----------|-------------| | name | string | Yes | A label to identify this key | | expiresInDays | number | No | Days until the key expires. Omit for a non-expiring key. |": async (page, site) => {
        const { key } = await site.kw.verify(await create(page, "Endless"));
        assert.equal(key.expires_at, null);
      },
      "Each key tracks usageCount (total requests made) and lastUsedAt (timestamp of most recent use).": async (page, site) => {
        await site.kw.verify(site.text);
        await site.kw.verify(site.text);
        await site.kw.flush();
        await page.reload();
        await page.getByText("2 requests").waitFor();
      },
      "Revoked keys immediately stop working. This action cannot be undone — create a new key if needed.": async (page, site) => {
        await press(page, "Revoke", "My Integration");
        await page.getByText("This cannot be undone.").waitFor();
        await inDialog(page, "Cancel").click();
        await revoke(page, "My Integration");
        assert.equal((await site.kw.verify(site.text)).code, "revoked");
      },
    },
  },
  proxy: {
    site: { engine: { keyFormat: "lk_{env}_{lookup:12}_{secret:32}{checksum:6}", brand: undefined, scopes: undefined, environments: ["live", "dev"], environment: "*" }, at: "/settings/api-keys" },
    link: "API Keys",
    steps: {
      "- Go to Dashboard": async (page, site) => void (await page.goto(site.url)),
      "- Navigate to Settings > API Keys": async (page) => {
        await page.getByRole("link", { name: "API Keys" }).click();
        await settled(page);
      },
      "- Click Create Key": (page) => page.getByRole("button", { name: "Create key" }).click(),
      "- Name your key and set expiration (optional)": async (page) => {
        await page.getByLabel("Name", { exact: true }).fill("Agent host");
        await page.getByLabel("Environment").last().selectOption("dev");
        await page.getByText("Works until somebody revokes it.").waitFor();
        await page.getByLabel("Expiration").selectOption("30");
      },
      "- Copy the key immediately (it won’t be shown again)": async (page, site) => {
        await inDialog(page, "Create key").click();
        site.text = await secret(page).innerText();
        assert.match(site.text, /^lk_dev_/);
        await inDialog(page, "Copy").click();
        await page.getByText("Copied.").waitFor();
        await inDialog(page, "I have saved it").click();
        assert.ok(!(await page.locator("keywright-keys").evaluate((element) => element.shadowRoot.textContent)).includes(site.text));
      },
      "- Go to Settings > API Keys": async (page) => {
        await page.getByRole("link", { name: "API Keys" }).click();
        await settled(page);
      },
      "- Find the key you want to revoke": async (page) => {
        await page.getByLabel("Search keys").fill("agent");
        await page.getByText("1 of 1 searched").first().waitFor();
      },
      "- Click Revoke": (page) => revoke(page, "Agent host"),
      "Revoking a key is immediate and permanent. Any requests using that key will fail.": async (_, site) => {
        assert.equal((await site.kw.verify(site.text)).code, "revoked");
      },
    },
  },
};

for (const [name, { site: options, link, steps }] of Object.entries(SEEDS)) {
  test(`the portal of ${name}, line by line`, async (t) => {
    const lines = readFileSync(`tests/seeds/${name}/lines.txt`, "utf8").split("\n").map((line) => line.slice(line.indexOf("\t") + 1));
    const site = await startSite(t, { ...options, html: html(name) });
    site.catalogue = [];
    const page = await visit(t, site, link);
    for (const [line, done] of Object.entries(steps)) {
      assert.ok(lines.includes(line), `the document has no line ${line}`);
      await done(page, site);
      t.diagnostic(line);
    }
  });
}
