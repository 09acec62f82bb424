// Prints the figures of the page for keys: its first list beside a bare table in the same browser, and its longest tasks.
import { writeSync } from "node:fs";
import { test } from "node:test";
import { openPage, settled } from "../element/browser.mjs";
import { startSite } from "../element/site.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 21);
const ROWS = 1_000;
/** Milliseconds after which nothing goes on any more. */
const SETTLED = 2_000;

/** The least that a page does: the same request, and its rows without a style. */
const BARE = `const { data } = await (await fetch("/manage/keys?limit=100")).json();
const row = (cells) => {
  const row = document.createElement("tr");
  for (const text of cells) row.appendChild(document.createElement("td")).textContent = text;
  return row;
};
const body = document.createElement("tbody");
body.append(...data.map((key) => row([key.name, key.prefix, key.scopes.join(" "), key.status, key.last_used_at ?? "Never used", key.expires_at ?? "Never"])));
document.querySelector("main").appendChild(document.createElement("table")).append(body);`;

/** Notes when the frame with the first row has been painted, in milliseconds since the page was asked for. */
function watchRows() {
  const look = () => {
    const root = document.querySelector("keywright-keys")?.shadowRoot ?? document;
    if (!root.querySelector("tbody tr")) return requestAnimationFrame(look);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (window.painted = performance.now());
    port2.postMessage(null);
  };
  requestAnimationFrame(look);
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const shown = (milliseconds) => `${milliseconds.toFixed(0)} ms`;
const print = (text) => writeSync(1, `${text}\n`);

test("the first list beside a bare table", async (t) => {
  const page = (script, body) => `<!doctype html><html lang="en"><title>Keys</title><link rel="icon" href="data:,"><script type="module" src="${script}"></script><main>${body}</main></html>`;
  const site = await startSite(t, {
    files: { "/bare.js": BARE, "/bare.html": page("/bare.js", ""), "/element.html": page("/manage/element.js", "<keywright-keys></keywright-keys>") },
  });
  await fillOrg(site, 100);
  // The answers come from memory, so that a slow server does not hide a slow page.
  const answers = new Map();
  for (const path of ["/manage/keys?limit=100", "/manage/whoami"]) {
    answers.set(path, await (await fetch(new URL(path, site.url), { headers: { cookie: "session=alice" } })).text());
  }
  site.fault = (request, response) => answers.has(request.url) && (response.type("json").send(answers.get(request.url)), true);
  const times = { bare: { page: [], request: [] }, element: { page: [], request: [] } };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, { page: since, request }] of Object.entries(times)) {
      const page = await openPage(t, `${site.url}${name}.html`, { init: watchRows });
      await page.waitForFunction(() => window.painted);
      const [painted, asked] = await page.evaluate(() => [window.painted, performance.getEntriesByType("resource").find((entry) => entry.name.includes("/keys?")).startTime]);
      await page.close();
      // In the first round the server and the browser warm up.
      if (round === 0) continue;
      since.push(painted);
      request.push(painted - asked);
    }
  }
  print("## The first list\n\n| from | bare table | `<keywright-keys>` | ratio | goal |\n|---|---|---|---|---|");
  for (const [from, name] of [["page", "the request of the page"], ["request", "the request for the keys"]]) {
    const [bare, element] = [median(times.bare[from]), median(times.element[from])];
    print(`| ${name} | ${shown(bare)} | ${shown(element)} | ${(element / bare).toFixed(2)} | ≤ 2 |`);
  }
});

/** Presses as a person does, in the page itself: a driver that looks for buttons makes the browser style all rows. */
const pressIn = (within) => (element, text) =>
  element.evaluate(({ shadowRoot }, [within, text]) => [...shadowRoot.querySelectorAll(`${within} button`)].find((button) => button.textContent === text).click(), [within, text]);
const press = pressIn(".page");
const inDialog = pressIn("dialog");
const write = (element, selector, text) =>
  element.evaluate(
    ({ shadowRoot }, [selector, text]) => {
      const field = shadowRoot.querySelector(selector);
      field.value = text;
      field.dispatchEvent(new Event("input"));
    },
    [selector, text],
  );

test("the longest tasks with many rows", async (t) => {
  const site = await startSite(t);
  await fillOrg(site, ROWS);
  const page = await openPage(t, site.url);
  await settled(page);
  const element = page.locator("keywright-keys");
  const browser = page.context().browser();
  print(`\n## The longest task, with ${ROWS.toLocaleString("en")} rows shown\n\n| while | takes | of these on a processor | goal |\n|---|---|---|---|`);
  const longest = async (what, work) => {
    await browser.startTracing(page, { categories: ["disabled-by-default-devtools.timeline"] });
    await work();
    // Answers of the server, and whatever a change leaves to later tasks, are part of it.
    await new Promise((done) => setTimeout(done, SETTLED));
    const { traceEvents } = JSON.parse(await browser.stopTracing());
    const threads = traceEvents.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain").map(({ pid, tid }) => `${pid} ${tid}`);
    const tasks = traceEvents.filter(({ name, pid, tid }) => name === "RunTask" && threads.includes(`${pid} ${tid}`));
    const most = (field) => shown(Math.max(0, ...tasks.map((task) => (task[field] ?? 0) / 1_000)));
    print(`| ${what} | ${most("dur")} | ${most("tdur")} | ≤ 50 ms |`);
  };
  await longest("the first list is loaded (100 rows)", () => page.reload());
  for (let rows = 200; rows < ROWS; rows += 100) {
    await press(element, "Show more");
    await page.waitForFunction((rows) => document.querySelector("keywright-keys").shadowRoot.querySelectorAll("tbody tr").length === rows, rows);
  }
  await longest("the last 100 rows are added", () => press(element, "Show more"));
  await longest("the page is scrolled", async () => {
    for (let at = 0; at < 10; at += 1) await page.evaluate(() => scrollBy(0, 4_000));
    await page.evaluate(() => scrollTo(0, 0));
  });
  for (const [what, open, close] of [["rotation", "Rotate", "Cancel"], ["revocation", "Revoke", "Cancel"]]) {
    await longest(`the dialog for a ${what} opens`, () => press(element, open));
    await longest("it closes", () => inDialog(element, close));
  }
  await longest("the form for a new key opens", () => press(element, "Create key"));
  await longest("it is filled in and sent, and the secret shown", async () => {
    await write(element, "#name", "New");
    await inDialog(element, "Create key");
  });
  await longest("the dialog with the secret closes", () => inDialog(element, "I have saved it"));
  await longest("times are told anew, a minute later", () =>
    page.evaluate(() => {
      const now = Date.now;
      Date.now = () => now() + 60_000;
      document.querySelector("keywright-keys").messages = {};
    }),
  );
  await longest("a search is typed", async () => {
    for (const text of ["k", "ke", "key", "key 7", "key 77"]) await write(element, "[type=search]", text);
  });
  await longest("it is cleared", () => write(element, "[type=search]", ""));
});

/** Keys as customers have them, made in groups because the disk is waited for once in each. */
async function fillOrg(site, count) {
  for (let from = 0; from < count; from += 250) {
    await Promise.all(
      Array.from({ length: Math.min(250, count - from) }, (_, at) =>
        site.org.keys.create({ name: `key ${from + at}`, scopes: "deals:read,deals:write,documents:read", expires_in_days: 30 + (at % 90) }),
      ),
    );
  }
}
