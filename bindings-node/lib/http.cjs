"use strict";

const addon = require("./addon.cjs");
const { checked, settle } = require("./error.cjs");
const { engineOf } = require("./keywright.cjs");
const { Beginning, LARGEST_KEPT, LARGEST_ONCE, Lease } = require("./once.cjs");
const { Key } = require("./record.cjs");

/** The longest body that management reads. */
const LARGEST_BODY = 65_536;

/** A request that may go on. `headers`, flat, belong on its response: `vary` joined to what is there, others where they are not. */
class Passed {
  constructor({ reading, org, actor, agent, requestId, headers, once }) {
    this.key = reading === undefined ? null : keyOf(reading);
    this.principal = this.key ? "key" : org === undefined ? "anyone" : "session";
    this.org = this.key ? this.key.org : (org ?? null);
    this.actor = actor ?? null;
    this.agent = agent ?? null;
    this.request_id = requestId;
    this.headers = headers;
    this.once = once ?? null;
  }

  get allowed() {
    return true;
  }
}

/** A whole response, to be sent as it is. */
class Refused {
  constructor({ status, headers, body }) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get allowed() {
    return false;
  }
}

// Keys by their readings: what was read once is the same until the key changes.
const keys = new Map();
const MOST_KEYS = 10_000;

function keyOf(reading) {
  const known = keys.get(reading);
  if (known !== undefined) return known;
  const key = new Key(JSON.parse(addon.letIn()));
  if (keys.size >= MOST_KEYS) keys.clear();
  keys.set(reading, key);
  return key;
}

const told = (judged) => (judged.status === 0 ? new Passed(judged) : new Refused(judged));

/** What a route needs, made once for each. */
class Needs {
  constructor(options) {
    this.native = checked(addon.needs(options));
  }

  /** Scopes, and whatever else a route needs. */
  static of(scopes, more) {
    return new Needs(scopes === undefined ? more : { ...more, scopes });
  }
}

/** An engine that speaks HTTP. */
class Http {
  #native;
  #reads;

  constructor(kw, options) {
    this.#native = checked(addon.http(engineOf(kw), options));
    this.#reads = new Set(this.#native.reads);
  }

  /** The pass or the answer at once, where nothing has to be waited for; else a promise of it. */
  begin(method, target, rawHeaders, peer, needs) {
    const judged = this.#native.authenticate(method, target, this.#read(rawHeaders), peer, needs?.native);
    return judged instanceof Promise ? judged.then(told) : told(judged);
  }

  async authenticate({ method, target, rawHeaders, peer }, needs) {
    return this.begin(method, target, rawHeaders, peer, needs);
  }

  async manage({ method, target, rawHeaders, peer, body }, session) {
    const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
    return new Refused(await checked(this.#native.manage(method, target, this.#read(rawHeaders), peer, bytes, session)));
  }

  async once(passed, body) {
    if (passed.once === null) return new Lease(this.#native, null);
    const { answer, lease } = await this.#native.once(passed.once, Buffer.from(body));
    return answer ? new Refused(answer) : new Lease(this.#native, lease ?? null);
  }

  async explain({ method, target, rawHeaders, peer }) {
    return settle(await this.#native.explain(method, target, this.#read(rawHeaders), peer));
  }

  async openapi() {
    return settle(await this.#native.openapi());
  }

  /** The header lines that are looked at, out of all: each that crosses to the addon costs something. */
  #read(rawHeaders) {
    const lines = [];
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      if (this.#reads.has(rawHeaders[at].toLowerCase())) lines.push(rawHeaders[at], rawHeaders[at + 1]);
    }
    return lines;
  }
}

/** Sets headers of ours on those of a response: `vary` joined to what is there, others where they are not. */
function merge(headers, { get, set }) {
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at], headers[at + 1]];
    const theirs = get(name);
    if (theirs === undefined || theirs === null) set(name, value);
    else if (name === "vary") set(name, `${theirs}, ${value}`);
  }
}

/**
 * The parts of a WHATWG request, which has joined the lines of a repeated header with commas, and resolved what dots are
 * in its path: a host that routes by the target as it came hands that on.
 */
function partsOf(request, peer, target) {
  const { pathname, search } = new URL(request.url);
  return { method: request.method, target: target ?? pathname + search, rawHeaders: [...request.headers].flat(), peer };
}

function responseOf({ status, headers, body }, method) {
  const pairs = [];
  for (let at = 0; at < headers.length; at += 2) pairs.push([headers[at], headers[at + 1]]);
  const empty = method === "HEAD" || status === 204;
  return new Response(empty ? null : body, { status, headers: pairs });
}

/**
 * Authenticates a WHATWG `Request`: `allowed` with what is known of it and `finish(response)`, which adds our headers to
 * whatever response it gets, and keeps it where the request is to be done once; else `response` is the answer. A handler that
 * fails is told with `release()`.
 */
async function authenticateRequest(http, request, { peer, needs, target } = {}) {
  const { refused, found, finish, release } = await admit(http, request, partsOf(request, peer, target), needs);
  if (refused) return { allowed: false, response: responseOf(refused, request.method) };
  const { principal, key, org, actor, agent, request_id } = found;
  return { allowed: true, principal, key, org, actor, agent, request_id, finish, release };
}

/** The same for an adapter that knows the parts of a request. */
async function admit(http, request, parts, needs) {
  const found = await http.authenticate(parts, needs);
  if (!found.allowed) return { refused: found };
  const turn = found.once && (await http.once(found, await bodyOf(request.clone().body, LARGEST_ONCE)));
  if (turn?.allowed === false) return { refused: turn };
  const finish = async (response) => {
    const answer = new Response(turn ? await kept(response, turn) : response.body, response);
    merge(found.headers, { get: (name) => answer.headers.get(name), set: (name, value) => answer.headers.set(name, value) });
    return answer;
  };
  return { found, finish, release: async () => turn?.release() };
}

/** The body of a response, with whose end a lease ends. */
async function kept({ status, headers, body }, lease) {
  const beginning = new Beginning(LARGEST_KEPT);
  const flush = () => lease.finish(status, [...headers].flat(), beginning.bytes());
  if (body === null) return void (await flush());
  const transform = (chunk, to) => {
    beginning.add(chunk);
    to.enqueue(chunk);
  };
  return body.pipeThrough(new TransformStream({ transform, flush }));
}

/** Answers a WHATWG `Request` about keys; `mount` is the path that management stands under. */
async function manageRequest(http, request, { peer, principal, target, mount = "" } = {}) {
  const session = principal ? await principal(request) : undefined;
  const parts = partsOf(request, peer, target);
  if (parts.target.startsWith(mount)) parts.target = parts.target.slice(mount.length);
  return responseOf(await http.manage({ ...parts, body: await bodyOf(request.body) }, session), request.method);
}

/** The rest of a target below a path, which may have parameters: both have the same segments before it. */
function below(path) {
  const mount = new RegExp(`^(?:/[^/?]*){${path.split("/").filter(Boolean).length}}`);
  return (target) => target.replace(mount, "");
}

/** A body, up to the first part that is too much. */
async function bodyOf(stream, most = LARGEST_BODY) {
  const beginning = new Beginning(most);
  for await (const chunk of stream ?? []) {
    beginning.add(chunk);
    if (beginning.isFull) break;
  }
  return beginning.bytes();
}

module.exports = { Http, Needs, Passed, Refused, LARGEST_BODY, admit, authenticateRequest, manageRequest, below, bodyOf, merge, partsOf, responseOf };
