"use strict";

const { bodyOf } = require("./body.cjs");
const { Http, asked, required } = require("./http.cjs");
const { keep } = require("./node-once.cjs");
const { bodyBefore, linesOf, peerOf } = require("./node-request.cjs");
const { adding } = require("./node-response.cjs");
const { managing } = require("./principal.cjs");
const { isPromise } = require("./promise.cjs");
const { below } = require("./target.cjs");

/** Fastify's mark for a plugin whose hooks apply to the instance that registers it. */
const SHARED = Symbol.for("skip-override");
const MANAGES = Symbol.for("keywright.management");

/**
 * Guards a Fastify application: `app.register(keys)` applies the rules of paths, `onRequest: keys.requires("deals:read")` the
 * needs of one route, and `app.register(keys.management(), { prefix })` serves management. Takes the options of `Http`, and
 * throws for wrong ones.
 */
function guard(kw, options) {
  const http = new Http(kw, options);
  const hook = (needs) => (request, reply, done) => {
    // Management authenticates its own callers.
    if (request.server[MANAGES]) return done();
    const { method, url, socket } = request.raw;
    let found;
    try {
      found = http.begin(method, url, linesOf(request.raw), peerOf(socket), request.keywright?.earlier, needs);
    } catch (error) {
      return done(error);
    }
    if (isPromise(found) || found.once) return void judgedOnce(http, found, request, reply, done).catch(done);
    judged(found, request, reply, done);
  };
  const plugin = (app, _options, done) => {
    app.addHook("onRequest", hook(undefined));
    // If the host has closed the engine, its counters are written already.
    app.addHook("onClose", () => kw.flush().catch(() => {}));
    done();
  };
  return Object.assign(plugin, {
    [SHARED]: true,
    requires: (scopes, more) => hook(required(http, scopes, more)),
    management: (given) => (options?.path ? amongOthers : mounted)(http, managing(given).principal),
    frameworkErrors: (error, request, reply) => hook(undefined)(request, reply, (failure) => reply.send(failure ?? error)),
    explain: ({ raw }, scopes, more) => {
      const { method, url: target, socket } = raw;
      return http.explain({ method, target, rawHeaders: linesOf(raw), peer: peerOf(socket) }, asked(http, scopes, more));
    },
  });
}

/** Waits for the outcome, and starts an idempotent request. */
async function judgedOnce(http, waited, request, reply, done) {
  const found = await waited;
  const turn = found.once && (await http.once(found, await bodyBefore(request)));
  // The host may have responded meanwhile, for example after a timeout.
  if (reply.sent) return turn?.release?.();
  if (turn?.allowed) keep(reply.raw, turn);
  judged(turn?.allowed === false ? turn : found, request, reply, done);
}

function judged(found, request, reply, done) {
  if (!found.allowed) return send(reply, found);
  request.keywright = request.raw.keywright = found;
  adding(reply.raw);
  done();
}

function send(reply, { status, headers, body }) {
  for (let at = 0; at < headers.length; at += 2) reply.header(headers[at], headers[at + 1]);
  // Fastify would set a content type for an empty buffer.
  return reply.code(status).send(body.length === 0 ? undefined : body);
}

/** Responds before Fastify parses the body, since management needs the body as it was sent. */
async function manage(http, principal, request, reply, target) {
  const session = principal ? await principal(request) : undefined;
  const { method, socket } = request.raw;
  const head = { method, target, rawHeaders: linesOf(request.raw), peer: peerOf(socket) };
  const parts = { ...head, body: await bodyOf(request.raw) };
  return send(reply, await http.manage(parts, session));
}

function mounted(http, principal) {
  return async (app) => {
    const place = below(app.prefix);
    app.decorate(MANAGES, true);
    app.addHook("onRequest", (request, reply) => manage(http, principal, request, reply, place(request.raw.url)));
    for (const path of ["/", "/*"]) app.all(path, (_request, reply) => reply.callNotFound());
  };
}

function amongOthers(http, principal) {
  const hook = async (request, reply) => {
    const { url } = request.raw;
    if (http.manages(url)) return manage(http, principal, request, reply, url);
  };
  return Object.assign(async (app) => void app.addHook("onRequest", hook), { [SHARED]: true });
}

/** Returns the key of a request that the guard let through, or null if there is none. */
function getApiKey(request) {
  return request.keywright?.key ?? null;
}

module.exports = { guard, getApiKey, send };
