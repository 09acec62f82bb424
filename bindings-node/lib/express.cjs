"use strict";

const { bodyOf } = require("./body.cjs");
const { Http, asked, required } = require("./http.cjs");
const { keep } = require("./node-once.cjs");
const { bodyBefore, linesOf, peerOf, readBefore, routed } = require("./node-request.cjs");
const { adding, send } = require("./node-response.cjs");
const { managing } = require("./principal.cjs");
const { isPromise } = require("./promise.cjs");

/**
 * Guards an Express application: `app.use(keys)` applies the rules of paths, `keys.requires("deals:read")` the needs of one
 * route, and `keys.management()` is a handler to mount. Takes the options of `Http`, and throws for wrong ones.
 */
function guard(kw, options) {
  const http = new Http(kw, options);
  const middleware = (needs) => (request, response, next) => {
    const { method, socket, keywright } = request;
    const { target, rewritten } = routed(request);
    let found;
    try {
      found = http.begin(method, target, linesOf(request), peerOf(socket), keywright?.earlier, needs, rewritten);
    } catch (error) {
      return next(error);
    }
    if (isPromise(found) || found.once) return void judgedOnce(http, found, request, response, next).catch(next);
    judged(found, request, response, next);
  };
  return Object.assign(middleware(undefined), {
    requires: (scopes, more) => middleware(required(http, scopes, more)),
    management: (options) => management(http, managing(options).principal),
    explain: (request, scopes, more) => {
      const parts = { method: request.method, ...routed(request), rawHeaders: linesOf(request), peer: peerOf(request.socket) };
      return http.explain(parts, asked(http, scopes, more));
    },
  });
}

/** Waits for the outcome, and starts an idempotent request. */
async function judgedOnce(http, waited, request, response, next) {
  const found = await waited;
  const turn = found.once && (await http.once(found, await bodyBefore(request)));
  // The host may have responded meanwhile, for example after a timeout.
  if (response.headersSent) return turn?.release?.();
  if (turn?.allowed) keep(response, turn);
  judged(turn?.allowed === false ? turn : found, request, response, next);
}

function judged(found, request, response, next) {
  if (!found.allowed) return send(response, request.method, found);
  request.keywright = found;
  adding(response);
  next();
}

function management(http, principal) {
  return async (request, response, next) => {
    // Under a mount path, every request belongs to management.
    if (request.baseUrl === "" && !http.manages(request.url)) return next();
    try {
      const session = principal ? await principal(request) : undefined;
      const { method, url, socket, keywright } = request;
      const body = request.readableDidRead === false ? await bodyOf(request) : readBefore(request);
      const head = { method, target: url, rawHeaders: linesOf(request), peer: peerOf(socket) };
      const parts = { ...head, earlier: keywright?.earlier, body };
      send(response, method, await http.manage(parts, session));
    } catch (error) {
      next(error);
    }
  };
}

/** Returns the key of a request that the guard let through, or null if there is none. */
function getApiKey(request) {
  return request.keywright?.key ?? null;
}

module.exports = { guard, getApiKey };
