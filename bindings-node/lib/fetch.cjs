"use strict";

const { Beginning, LARGEST_ONCE, bodyOf, readElsewhere } = require("./body.cjs");
const { merge } = require("./headers.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

const FETCHED = { get: (it, name) => it.headers.get(name), set: (it, name, value) => it.headers.set(name, value) };

/**
 * The parts of a WHATWG request, which has joined the lines of a repeated header with commas, and resolved what dots are
 * in its path: a host that routes by the target as it came hands that on.
 */
function partsOf(request, peer, target) {
  const { pathname, search } = new URL(request.url);
  return { method: request.method, target: target ?? pathname + search, rawHeaders: [...request.headers].flat(), peer };
}

/** Those whose answers have no body, which no `Response` of theirs takes (Fetch, "null body status"). */
const BODILESS = new Set([204, 205, 304]);

function responseOf({ status, headers, body }, method) {
  const pairs = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at], headers[at + 1]]);
  return new Response(method === "HEAD" || BODILESS.has(status) ? null : body, { status, headers: pairs });
}

/**
 * Authenticates a WHATWG `Request`: `allowed` with what is known of it and `finish(response)`, which adds our headers to
 * whatever response it gets, and keeps it where the request is to be done once; else `response` is the answer. A handler that
 * fails is told with `release()`.
 */
async function authenticateRequest(http, request, { peer, needs, target, earlier } = {}) {
  const parts = { ...partsOf(request, peer, target), earlier };
  const { refused, found, finish, release } = await admit(http, request, parts, needs);
  if (refused) return { allowed: false, response: responseOf(refused, request.method) };
  const { once: _, ...known } = found;
  return { allowed: true, ...known, finish, release };
}

/** The same for an adapter that knows the parts of a request. */
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

/** The body of a response, with whose end a lease ends. */
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

/** Answers a WHATWG `Request` about keys; `mount` is the path that management stands under. */
async function manageRequest(http, request, { peer, principal, target, earlier, mount = "" } = {}) {
  const session = principal ? await principal(request) : undefined;
  const parts = partsOf(request, peer, target);
  if (parts.target.startsWith(mount)) parts.target = parts.target.slice(mount.length);
  return responseOf(await http.manage({ ...parts, earlier, body: await bodyOf(request.body) }, session), request.method);
}

module.exports = { admit, authenticateRequest, manageRequest, partsOf, responseOf };
