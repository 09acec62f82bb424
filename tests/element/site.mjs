// A product with a settings page: an Express application, its session in a cookie, and a real engine behind management.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";
import { closePages } from "./browser.mjs";

export const PEPPER = "pepper for tests, thirty-two bytes or more";

/** The strictest policy that a host may have: nothing but its own scripts, styles and requests. */
const policy = (trusted) => [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  `trusted-types lit-html ${trusted}`,
].join("; ");

export const SCOPES = {
  "deals:read": "Read deal details, health scores, and recommendations",
  "deals:write": "Create deals, trigger re-evaluation",
  "documents:read": "List and download documents",
  "documents:write": "Upload and delete documents",
  "rulesets:read": "List and view rulesets",
  "rulesets:write": "Create, update, and delete rulesets",
  "keys:manage": "Create and revoke API keys",
  "webhooks:manage": "Configure webhook endpoints",
};

const STYLE = `:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 0; background: light-dark(#fff, #0f1117); color: light-dark(#1a1f36, #e8eaf0); }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem; }
h1 { font-size: 1.125rem; margin: 0 0 1.25rem; }`;

const TYPES = { js: "text/javascript", html: "text/html" };

/**
 * Starts a product. `mount` is where management is; `attributes` are those of the element; `may` is what the session may do.
 * A product with pages of its own has `html` at the path `at`, where its navigation leads, and `files`.
 * `site.fault` may be set to a function that answers the next requests in place of management, as failing networks do.
 */
export async function startSite(t, { engine = {}, http = {}, mount = "/manage", attributes = "", may = ["keys:manage"], lang = "en", body, html, at = "/", files = {}, trusted = "", signedIn = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "keywright-"));
  const kw = new Keywright(`sqlite:${join(folder, "keys.db")}`, { brand: "acme", pepper: PEPPER, scopes: SCOPES, ...engine });
  const keys = guard(kw, http);
  const site = { kw, org: kw.org("acme"), mount, fault: null, asked: [], may, signedIn };
  const app = express();
  const main = `<main><h1>Settings</h1>${body ?? `<keywright-keys ${attributes}></keywright-keys>`}</main>`;
  const script = http.path ? `${http.path}/element.js` : `${mount}/element.js`;

  app.use((request, response, next) => {
    site.asked.push(`${request.method} ${request.url}`);
    const fault = site.fault;
    if (fault && /\/(keys|scopes|whoami|api-keys)\b/.test(request.path) && fault(request, response, next)) return;
    next();
  });
  app.get(["/", at], (request, response) => {
    response.set({ "content-security-policy": policy(trusted), "set-cookie": "session=alice; HttpOnly; SameSite=Strict; Path=/" });
    response.type("html").send(`<!doctype html>
<html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Settings</title>
<link rel="stylesheet" href="/style.css">${html ? "" : `<script type="module" src="${script}"></script>`}</head>
<body>${html ? (request.path === at ? html : /<nav>.*<\/nav>/.exec(html)[0]) : main}</body></html>`);
  });
  app.get("/style.css", (_, response) => response.type("css").send(STYLE));
  for (const [path, content] of Object.entries(files)) {
    app.get(path, (_, response) => response.type(TYPES[path.split(".").at(-1)] ?? "text").send(typeof content === "function" ? content() : content));
  }
  const principal = (request) =>
    site.signedIn && /\bsession=alice\b/.test(request.get("cookie") ?? "") ? { org: "acme", actor: "alice", may: site.may } : null;
  const management = keys.management({ principal });
  if (http.path) app.use(management);
  else app.use(mount, management);

  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(async () => {
    await closePages(t);
    server.closeAllConnections();
    server.close();
    await kw.close();
    rmSync(folder, { recursive: true, force: true });
  });
  site.port = server.address().port;
  site.url = `http://localhost:${site.port}/`;
  site.server = server;
  return site;
}
