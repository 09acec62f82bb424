"use strict";

const { Http, Needs, below, bodyOf, merge, partsOf } = require("./http.cjs");

/**
 * Guards a Hono application: `app.use(keys)` judges by the rules of paths, `keys.requires("deals:read")` by what one route
 * needs, `app.all("/manage/*", keys.management())` answers about keys. The options are those of `Http`, and `peer`; wrong ones
 * are refused here.
 */
function guard(kw, { peer, ...options } = {}) {
  if (peer !== undefined && typeof peer !== "function") throw new TypeError("peer must be a function that takes a context");
  const http = new Http(kw, options);
  const middleware = (needs) => async (c, next) => {
    const found = await http.authenticate(arrived(c, peer), needs);
    if (!found.allowed) return answered(c, found);
    c.set("keywright", found);
    await next();
    // Hono has made a response of an error as well.
    merge(found.headers, { get: (name) => c.res.headers.get(name), set: (name, value) => c.header(name, value) });
  };
  return Object.assign(middleware(undefined), {
    requires: (scopes, more) => middleware(Needs.of(scopes, more)),
    management: ({ principal } = {}) => async (c) => {
      const session = principal ? await principal(c) : undefined;
      const { target, ...parts } = arrived(c, peer);
      const place = below(c.req.routePath.replace(/\*$/, ""));
      return answered(c, await http.manage({ ...parts, target: place(target), body: await bodyOf(c.req.raw.body) }, session));
    },
    explain: (c) => http.explain(arrived(c, peer)),
  });
}

function answered(c, { status, headers, body }) {
  for (let at = 0; at < headers.length; at += 2) c.header(headers[at], headers[at + 1]);
  return c.body(body.length ? body : null, status);
}

/**
 * A request as it came over its socket, which Node's server hands on; elsewhere as the runtime tells it. A host may also have
 * made another request of it, for which Hono looks for a route: then that one is judged.
 */
function arrived(c, peer) {
  const { method, url } = c.req.raw;
  const incoming = (c.env?.server ?? c.env)?.incoming;
  const from = peer ? peer(c) : incoming?.socket.remoteAddress;
  if (incoming?.method !== method || !leads(incoming.url, url)) return partsOf(c.req.raw, from);
  return { method, target: incoming.url, rawHeaders: incoming.rawHeaders, peer: from };
}

/** Whether a URL is what a target leads to. */
function leads(target, url) {
  const { origin } = new URL(url);
  return url === origin + target || new URL(origin + target).href === url;
}

/** The key of a request that was let in, null where it came without. */
function getApiKey(c) {
  return c.get("keywright")?.key ?? null;
}

module.exports = { guard, getApiKey };
