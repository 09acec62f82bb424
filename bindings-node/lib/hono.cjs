"use strict";

const { bodyOf } = require("./body.cjs");
const { admit } = require("./fetch.cjs");
const { Http, asked, required } = require("./http.cjs");
const { peerOf, taken } = require("./node-request.cjs");
const { managing } = require("./principal.cjs");
const { below } = require("./target.cjs");

/**
 * Guards a Hono application: `app.use(keys)` applies the rules of paths, `keys.requires("deals:read")` the needs of one route,
 * and `app.all("/manage/*", keys.management())` serves management. Takes the options of `Http`, and `peer`, and throws for
 * wrong ones.
 */
function guard(kw, { peer, ...options } = {}) {
  if (peer !== undefined && typeof peer !== "function") throw new TypeError("peer must be a function that takes a context");
  const http = new Http(kw, options);
  const middleware = (needs) => async (c, next) => {
    const parts = { ...arrived(c, peer), earlier: c.get("keywright")?.earlier };
    const { refused, found, finish, release } = await admit(http, c.req.raw, parts, needs);
    if (refused) return answered(c, refused);
    c.set("keywright", found);
    try {
      await next();
    } catch (error) {
      await release();
      throw error;
    }
    // Hono has turned an error into a response too. Without the first assignment it would restore the earlier headers.
    const answer = await finish(c.res);
    c.res = undefined;
    c.res = answer;
  };
  return Object.assign(middleware(undefined), {
    requires: (scopes, more) => middleware(required(http, scopes, more)),
    management: (options) => management(http, peer, managing(options).principal),
    explain: (c, scopes, more) => http.explain(arrived(c, peer), asked(http, scopes, more)),
  });
}

function management(http, peer, principal) {
  return async (c, next) => {
    const { target: whole, ...parts } = arrived(c, peer);
    const target = below(c.req.routePath.replace(/\*$/, ""))(whole);
    if (!http.manages(target)) return next();
    const session = principal ? await principal(c) : undefined;
    return answered(c, await http.manage({ ...parts, target, body: await bodyOf(c.req.raw.body) }, session));
  };
}

function answered(c, { status, headers, body }) {
  for (let at = 0; at < headers.length; at += 2) c.header(headers[at], headers[at + 1]);
  return c.body(body.length ? body : null, status);
}

/** Returns the parts of a request from `@hono/node-server`, or from the request itself on other runtimes. */
function arrived(c, peer) {
  const incoming = (c.env?.server ?? c.env)?.incoming;
  const parts = taken(c.req.raw, incoming, peer ? peer(c) : peerOf(incoming?.socket));
  if (parts.target.split("?", 1)[0] === c.req.path) return parts;
  const { pathname, search } = new URL(c.req.raw.url);
  // An application with `getPath` routes by a path of its own.
  return [pathname, readable(pathname)].includes(c.req.path) ? parts : { ...parts, target: c.req.path.replace(/[^!-~]+/g, encodeURI) + search };
}

/** Decodes a path as Hono does for its router. */
function readable(path) {
  return path.replace(/(?:%[0-9A-F]{2})+/gi, (some) => {
    try {
      return decodeURI(some.replace(/%25/g, "%2525"));
    } catch {
      return some;
    }
  });
}

/** Returns the key of a request that the guard let through, or null if there is none. */
function getApiKey(c) {
  return c.get("keywright")?.key ?? null;
}

module.exports = { guard, getApiKey };
