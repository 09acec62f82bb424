"use strict";

const { Beginning, LARGEST_ONCE, bodyOf, readElsewhere } = require("./body.cjs");
const { merge } = require("./headers.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

const FETCHED = { get: (it, name) => it.headers.get(name), set: (it, name, value) => it.headers.set(name, value) };

/**
 * Returns the parts of a WHATWG request. Such a request has joined repeated headers with commas and resolved the dots in its
 * path, so a host that routes by the original target passes that one.
 */
function partsOf(request, peer, target) {
  const { pathname, search } = new URL(request.url);
  return { method: request.method, target: target ?? pathname + search, rawHeaders: [...request.headers].flat(), peer };
}

/** Statuses whose `Response` must have no body (Fetch, "null body status"). */
const BODILESS = new Set([204, 205, 304]);

function responseOf({ status, headers, body }, method) {
  const pairs = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at], headers[at + 1]]);
  return new Response(method === "HEAD" || BODILESS.has(status) ? null : body, { status, headers: pairs });
}

/**
 * Authenticates a WHATWG `Request`. If it is allowed, the result has the fields of the pass and `finish(response)`, which adds
 * the headers of the contract and stores the response of an idempotent request; `release()` reports that the handler failed.
 * Otherwise `response` is the response to send.
 */
async function authenticateRequest(http, request, { peer, needs, target, earlier } = {}) {
  const parts = { ...partsOf(request, peer, target), earlier };
  const { refused, found, finish, release } = await admit(http, request, parts, needs);
  if (refused) return { allowed: false, response: responseOf(refused, request.method) };
  const { once: _, ...known } = found;
  return { allowed: true, ...known, finish, release };
}

/** Authenticates a request whose parts the adapter knows. */
async function admit(http, request, parts, needs) {
  const found = await http.authenticate(parts, needs);
  if (!found.allowed) return { refused: found };
  if (found.once && request.bodyUsed) throw readElsewhere();
  const turn = found.once && (await http.once(found, await bodyOf(request.clone().body, LARGEST_ONCE)));
  if (turn?.allowed === false) return { refused: turn };
  const release = async () => turn?.release();
  const finish = async (response) => {
    try {
      const answer = new Response(turn ? await kept(response, turn) : response.body, response);
      merge(found.headers, answer, FETCHED);
      return answer;
    } catch (error) {
      await release();
      throw error;
    }
  };
  return { found, finish, release };
}

/** Returns the body of a response. The end of the body ends the lease. */
async function kept({ body, status, headers }, lease) {
  const beginning = new Beginning(LARGEST_KEPT);
  const finish = () => lease.finish(status, [...headers].flat(), beginning.bytes());
  if (body === null) return void (await finish());
  const reader = body.getReader();
  const pull = async (to) => {
    try {
      const { done, value } = await reader.read();
      if (!done) {
        beginning.addCopy(value);
        return to.enqueue(value);
      }
    } catch (error) {
      await lease.release();
      throw error;
    }
    await finish();
    to.close();
  };
  const cancel = async (reason) => {
    await lease.release();
    await reader.cancel(reason);
  };
  return new ReadableStream({ pull, cancel });
}

/** Serves management for a WHATWG `Request`; `mount` is the path of management. */
async function manageRequest(http, request, { peer, principal, target, earlier, mount = "" } = {}) {
  const session = principal ? await principal(request) : undefined;
  const parts = partsOf(request, peer, target);
  if (parts.target.startsWith(mount)) parts.target = parts.target.slice(mount.length);
  return responseOf(await http.manage({ ...parts, earlier, body: await bodyOf(request.body) }, session), request.method);
}

module.exports = { admit, authenticateRequest, manageRequest, partsOf, responseOf };
