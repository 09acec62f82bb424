"use strict";

const { AsyncLocalStorage } = require("node:async_hooks");
const { subscribe } = require("node:diagnostics_channel");
const { bodyOf } = require("./body.cjs");
const { admit, responseOf } = require("./fetch.cjs");
const { Http, asked, required } = require("./http.cjs");
const { peerOf, taken } = require("./node-request.cjs");
const { managing } = require("./principal.cjs");
const { below } = require("./target.cjs");

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

// The request of Node's server for the current async context, and the passes of requests.
const incoming = new AsyncLocalStorage();
const known = new WeakMap();

/**
 * Call this in `instrumentation.js`. A route then knows the address, path and headers of the socket, of which Next's request
 * has less.
 */
function register() {
  subscribe("http.server.request.start", began);
}

/** Copies the parts that Next changes. */
function began({ request: { method, url, rawHeaders, socket } }) {
  incoming.enterWith({ method, url, rawHeaders, address: peerOf(socket) });
}

/** Guards route handlers of Next. Takes the options of `Http`, and `peer`, and throws for wrong ones. */
function guard(kw, { peer, ...options } = {}) {
  if (peer !== undefined && typeof peer !== "function") throw new TypeError("peer must be a function that takes a request");
  const http = new Http(kw, options);
  const arrived = (request) => {
    const came = incoming.getStore();
    return taken(request, came, peer ? peer(request) : came?.address);
  };
  // Routes are relative to the `basePath` of the configuration.
  const routed = (request) => {
    const { target, ...parts } = arrived(request);
    const base = request.nextUrl?.basePath ?? "";
    return { ...parts, target: target.startsWith(`${base}/`) ? target.slice(base.length) : target };
  };
  return {
    withApiKey: (handler, scopes, more) => {
      const needs = required(http, scopes, more);
      return async (request, context) => {
        const parts = { ...routed(request), earlier: known.get(request)?.earlier };
        const { refused, found, finish, release } = await admit(http, request, parts, needs);
        if (refused) return responseOf(refused, request.method);
        known.set(request, found);
        try {
          return await finish(await handler(request, context));
        } catch (error) {
          await release();
          throw error;
        }
      };
    },
    management: (options) => {
      const { mount, principal, otherwise } = managing(options, ["mount", "principal", "otherwise"]);
      if (typeof mount !== "string") throw new TypeError("mount must be the path that the route stands under, such as /manage");
      const place = below(mount);
      const answer = async (request, context) => {
        const { target: whole, ...parts } = arrived(request);
        const target = place(whole);
        if (otherwise && !http.manages(target)) return otherwise(request, context);
        const session = principal ? await principal(request) : undefined;
        return responseOf(await http.manage({ ...parts, target, body: await bodyOf(request.body) }, session), request.method);
      };
      return Object.fromEntries(METHODS.map((method) => [method, answer]));
    },
    explain: (request, scopes, more) => http.explain(routed(request), asked(http, scopes, more)),
  };
}

/** Extends a configuration of Next so that bundles leave the addon out. */
function withKeywright(config = {}) {
  if (typeof config === "function") return async (...given) => withKeywright(await config(...given));
  return { ...config, serverExternalPackages: [...(config.serverExternalPackages ?? []), "keywright"] };
}

/** Returns the context of a request that the guard let through. */
const getCaller = (request) => known.get(request) ?? null;

/** Returns the key of a request that the guard let through, or null if there is none. */
const getApiKey = (request) => getCaller(request)?.key ?? null;

module.exports = { guard, getApiKey, getCaller, register, withKeywright };
