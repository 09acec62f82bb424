"use strict";

const addon = require("./addon.cjs");
const { checked, settle } = require("./error.cjs");
const { engineOf } = require("./keywright.cjs");
const { Beginning, LARGEST_KEPT, LARGEST_ONCE, Lease } = require("./once.cjs");
const { Key } = require("./record.cjs");

/** The longest body that management reads. */
const LARGEST_BODY = 65_536;

/** A request that may go on. */
class Passed {
  #every;
  #more;

  constructor(every, earlier, { headers, org, actor, agent, once }) {
    const [reading, id] = earlier.split(" ", 2);
    this.key = reading === "0" ? null : keyOf(reading);
    this.principal = this.key ? "key" : org === undefined ? "anyone" : "session";
    this.org = this.key ? this.key.org : (org ?? null);
    this.actor = actor ?? null;
    this.agent = agent ?? null;
    this.once = once ?? null;
    this.request_id = id;
    this.earlier = earlier;
    this.#every = every;
    this.#more = headers;
  }

  get allowed() {
    return true;
  }

  get headers() {
    return [...this.#every, "x-request-id", this.request_id, ...this.#more];
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

/** What says nothing but its key. */
const PLAIN = { headers: [], org: undefined, actor: undefined, agent: undefined, once: undefined };

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
  #every;

  constructor(kw, options) {
    this.#native = checked(addon.http(engineOf(kw), options));
    this.#reads = new Set(this.#native.reads);
    this.#every = this.#native.headers;
  }

  /** What a route needs; what nobody could meet is refused. */
  needs(scopes, more) {
    const needs = Needs.of(scopes, more);
    checked(this.#native.check(needs.native));
    return needs;
  }

  /** The pass or the answer at once, where nothing has to be waited for; else a promise of it. */
  begin(method, target, rawHeaders, peer, earlier, needs) {
    const judged = this.#native.authenticate(this.#head(method, target, rawHeaders, peer, earlier), needs?.native);
    return judged instanceof Promise ? judged.then((it) => this.#told(it)) : this.#told(judged);
  }

  async authenticate({ method, target, rawHeaders, peer, earlier }, needs) {
    return this.begin(method, target, rawHeaders, peer, earlier, needs);
  }

  async manage({ method, target, rawHeaders, peer, earlier, body }, session) {
    const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
    const head = this.#head(method, target, rawHeaders, peer, earlier);
    return new Refused(await checked(this.#native.manage(head, bytes, session)));
  }

  async once(passed, body) {
    if (passed.once === null) return new Lease(this.#native, null);
    const { answer, lease } = await this.#native.once(passed.once, Buffer.from(body));
    return answer ? new Refused(answer) : new Lease(this.#native, lease ?? null);
  }

  manages(target) {
    return this.#native.manages(target);
  }

  async explain({ method, target, rawHeaders, peer }) {
    return settle(await this.#native.explain(this.#head(method, target, rawHeaders, peer, undefined)));
  }

  async openapi() {
    return settle(await this.#native.openapi());
  }

  #told(judged) {
    if (typeof judged === "string") return new Passed(this.#every, judged, PLAIN);
    return checked(judged).status === 0 ? new Passed(this.#every, judged.earlier, judged) : new Refused(judged);
  }

  /** The head in one text, with those header lines that are looked at: each that crosses to the addon costs something. */
  #head(method, target, rawHeaders, peer, earlier) {
    let lines = 4;
    let text = `\n${method}\n${target}\n${peer ?? ""}\n${earlier ?? ""}`;
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      if (this.#reads.has(rawHeaders[at].toLowerCase())) {
        text += `\n${rawHeaders[at]}\n${rawHeaders[at + 1]}`;
        lines += 2;
      }
    }
    return lines + text;
  }
}

/** Sets headers of ours on those of a response: `vary` joined to what is there, others where they are not. */
function merge(headers, response, { get, set }) {
  for (let at = 0; at < headers.length; at += 2) {
    const [name, value] = [headers[at], headers[at + 1]];
    const theirs = get(response, name);
    if (theirs === undefined || theirs === null) set(response, name, value);
    // A guard in front, or behind, joins the same.
    else if (name === "vary" && !`${theirs}`.includes(value)) set(response, name, `${theirs}, ${value}`);
  }
}

const FETCHED = { get: (it, name) => it.headers.get(name), set: (it, name, value) => it.headers.set(name, value) };

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
  const turn = found.once && (await http.once(found, await bodyOf(request.clone().body, LARGEST_ONCE)));
  if (turn?.allowed === false) return { refused: turn };
  const finish = async (response) => {
    const answer = new Response(turn ? await kept(response, turn) : response.body, response);
    merge(found.headers, answer, FETCHED);
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
async function manageRequest(http, request, { peer, principal, target, earlier, mount = "" } = {}) {
  const session = principal ? await principal(request) : undefined;
  const parts = partsOf(request, peer, target);
  if (parts.target.startsWith(mount)) parts.target = parts.target.slice(mount.length);
  return responseOf(await http.manage({ ...parts, earlier, body: await bodyOf(request.body) }, session), request.method);
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
