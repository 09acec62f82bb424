// No key that exists and nobody has: lost answers, closed pages, several tabs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fill, hurry, inDialog, openPage, rowOf, secret, settled } from "./browser.mjs";
import { startSite } from "./site.mjs";

test("a create whose answer was lost is found, and its secret replaced", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url, { refusals: true, init: hurry });
  await settled(page);
  await fill(page, "Lost");
  loseAnswer(site);
  await inDialog(page, "Create key").click();
  await page.getByRole("heading", { name: "The key was not delivered" }).waitFor();
  await inDialog(page, "Get a new secret").click();
  const text = await secret(page).innerText();
  assert.equal((await site.kw.verify(text)).allowed, true);
  await inDialog(page, "I have saved it").click();
  const keys = (await site.org.keys.list()).data;
  assert.deepEqual(keys.map((key) => key.name), ["Lost"]);
  assert.equal(site.asked.filter((line) => line === "POST /manage/keys").length, 2);
  assert.equal(await page.evaluate(() => localStorage.length), 0);
});

test("a page that closes before the answer, or before the secret is saved, leaves it to the next one", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url, { refusals: true, init: hurry });
  await settled(page);
  await fill(page, "Closed");
  // The key is made, and the page waits for its answer until it closes: a page that hears of a failure asks again.
  const made = new Promise((resolve) => {
    site.fault = (request, response) => {
      if (request.method === "POST") response.end = resolve;
      return false;
    };
  });
  await inDialog(page, "Create key").click();
  await made;
  site.fault = null;
  await page.close();

  const second = await page.context().newPage();
  await second.goto(site.url);
  await second.getByText("\u2068Closed\u2069 was asked for").waitFor();
  await second.getByRole("button", { name: "Finish" }).click();
  await second.getByRole("heading", { name: "The key was not delivered" }).waitFor();
  await inDialog(second, "Get a new secret").click();
  const seen = await secret(second).innerText();
  second.on("dialog", (warning) => warning.accept());
  await isOnlyHere(second, "Closed");
  await second.reload();
  await second.getByText("The secret of \u2068Closed\u2069 was shown").waitFor();
  await second.getByRole("button", { name: "Get a new secret" }).click();
  await second.getByRole("dialog", { name: "Get a new secret" }).getByText("was shown").waitFor();
  await inDialog(second, "Get a new secret").click();
  const text = await secret(second).innerText();
  await inDialog(second, "I have saved it").click();
  assert.equal((await site.kw.verify(seen)).allowed, false);
  assert.equal((await site.kw.verify(text)).allowed, true);
  assert.equal((await site.org.keys.list()).data.length, 1);
  assert.equal(await second.evaluate(() => localStorage.length), 0);
});

test("a page that closes when it has heard that the secret was lost leaves that to the next one", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url, { refusals: true, init: hurry });
  await fill(page, "Unlucky");
  loseAnswer(site);
  await inDialog(page, "Create key").click();
  await page.getByRole("heading", { name: "The key was not delivered" }).waitFor();
  await page.close();
  const second = await page.context().newPage();
  await second.goto(site.url);
  const notice = second.getByRole("alert").filter({ hasText: "\u2068Unlucky\u2069 was created, but its secret was lost" });
  await notice.getByRole("button", { name: "Get a new secret" }).click();
  await inDialog(second, "Cancel").click();
  await notice.getByRole("button", { name: "Get a new secret" }).click();
  const revoked = second.evaluate(() => new Promise((resolve) => document.addEventListener("revoked", ({ detail }) => resolve(detail.key.name))));
  await inDialog(second, "Revoke key").click();
  assert.equal(await revoked, "Unlucky");
  await second.getByText("No API keys yet").waitFor();
  assert.equal((await site.org.keys.list()).data.length, 0);
  assert.equal(await second.evaluate(() => localStorage.length), 0);
});

test("a secret that is replaced while its rotation is unanswered is not offered twice", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url, { refusals: true, init: hurry });
  await fill(page, "Twice");
  loseAnswer(site);
  await inDialog(page, "Create key").click();
  await page.getByRole("heading", { name: "The key was not delivered" }).waitFor();
  site.fault = (request, response) => request.method === "POST" && (response.status(409).json({ code: "IN_PROGRESS", detail: "still running" }), true);
  await inDialog(page, "Get a new secret").click();
  await dialogAlert(page).waitFor();
  site.fault = (request, response) => request.method === "POST" && (response.destroy(), true);
  await inDialog(page, "Get a new secret").click();
  await page.getByRole("heading", { name: "No answer yet" }).waitFor();
  await inDialog(page, "Cancel").click();
  await page.getByRole("button", { name: "Finish" }).waitFor();
  assert.equal(await page.getByRole("alert").count(), 1);
  site.fault = null;
  await page.getByRole("button", { name: "Finish" }).click();
  const text = await secret(page).innerText();
  await isOnlyHere(page, "Twice");
  await inDialog(page, "I have saved it").click();
  assert.equal((await site.kw.verify(text)).allowed, true);
  assert.equal(await page.evaluate(() => localStorage.length), 0);
});

test("an element that a host removes while it waits for an answer leaves the key to the next one", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url);
  await fill(page, "Removed");
  let answer;
  const made = new Promise((resolve) => {
    site.fault = (request, response) => {
      const { end } = response;
      if (request.method === "POST") response.end = (...all) => resolve((answer = () => end.apply(response, all)));
      return false;
    };
  });
  await inDialog(page, "Create key").click();
  await made;
  site.fault = null;
  await page.evaluate(() => document.querySelector("keywright-keys").remove());
  const arrived = page.waitForResponse((response) => response.request().method() === "POST");
  answer();
  // Not until it is read: nobody on the page reads it now, and a browser may never call that finished.
  await arrived;
  await page.evaluate(() => document.querySelector("main").append(document.createElement("keywright-keys")));
  await page.getByText("\u2068Removed\u2069 was asked for").waitFor();
  await page.getByRole("button", { name: "Finish" }).click();
  await page.getByRole("heading", { name: "The key was not delivered" }).waitFor();
  assert.equal((await site.org.keys.list()).data.length, 1);
});

test("a page that a browser keeps, to show it again, does not keep the secret", async (t) => {
  const site = await startSite(t);
  const page = await openPage(t, site.url);
  await fill(page, "Kept");
  await inDialog(page, "Create key").click();
  const text = await secret(page).innerText();
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  await page.getByText("The secret of \u2068Kept\u2069 was shown, but nobody confirmed").waitFor();
  assert.ok(!(await page.locator("keywright-keys").evaluate((element) => element.shadowRoot.innerHTML)).includes(text));
  await rowOf(page, "Kept").waitFor();
});

const dialogAlert = (page) => page.getByRole("dialog").getByRole("alert");

/** The engine does what the next request that changes something asks for, and its answer never comes. */
function loseAnswer(site) {
  site.fault = (request, response) => {
    if (request.method !== "POST") return false;
    site.fault = null;
    response.end = () => response.destroy();
    return false;
  };
}

/** Another tab offers what nobody works on any more, and not the key that this one is about. */
async function isOnlyHere(page, name) {
  await page.evaluate(() => {
    const [place, note] = Object.entries(localStorage)[0];
    const id = "0".repeat(32);
    localStorage.setItem(place.slice(0, -32) + id, JSON.stringify({ ...JSON.parse(note), id, name: "Abandoned", instead: undefined }));
  });
  const other = await page.context().newPage();
  await other.goto(new URL(page.url()).origin);
  await other.getByText("\u2068Abandoned\u2069").waitFor();
  await other.getByText(`\u2068${name}\u2069 was shown`).waitFor({ state: "detached" });
  await other.getByRole("button", { name: "It is saved" }).click();
  await other.getByRole("alert").waitFor({ state: "detached" });
  await other.close();
}
