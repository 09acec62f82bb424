"use strict";

const addon = require("./addon.cjs");
const { checked, settle } = require("./error.cjs");
const { authenticateRequest, manageRequest } = require("./fetch.cjs");
const { engineOf } = require("./keywright.cjs");
const { Lease } = require("./once.cjs");
const { isPromise } = require("./promise.cjs");
const { beginningOf } = require("./receipt.cjs");
const { Key } = require("./record.cjs");

/** A request that the contract lets through. */
class AuthContext {
  #every;
  #more;

  constructor(every, key, id, earlier, { headers, org, actor, agent, once }) {
    this.key = key;
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

/** A complete response. */
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

const MOST_KEYS = 10_000;

/** The fields of a plain pass, which has nothing but its key. */
const PLAIN = { headers: [], org: undefined, actor: undefined, agent: undefined, once: undefined };

/** The needs of a route, made once per route. */
class Needs {
  constructor(options) {
    this.options = options;
    this.native = checked(addon.needs(options));
  }

  /** Makes needs of scopes and other options. */
  static of(scopes, more) {
    return new Needs(scopes === undefined ? more : { ...more, scopes });
  }
}

/** The HTTP contract of an engine. */
class Http {
  #addon;
  #native;
  #reads;
  #every;
  // Keys by their revisions: a key that is read again has another revision.
  #keys = new Map();
  // Needs made by the addon of the engine, if another copy of this package has loaded it.
  #needs = new WeakMap();

  constructor(kw, options) {
    const found = engineOf(kw);
    this.#addon = found.addon;
    this.#native = checked(found.addon.http(found.engine, options));
    this.#reads = new Set(this.#native.reads);
    this.#every = this.#native.headers;
  }

  /** Makes the needs of a route. Throws if no request could meet them. */
  needs(scopes, more) {
    const needs = Needs.of(scopes, more);
    checked(this.#native.check(this.#needed(needs)));
    return needs;
  }

  /** Authenticates a request. Returns the outcome, or a promise when the call has to wait. */
  begin(method, target, rawHeaders, peer, earlier, needs, rewritten) {
    const judged = this.#native.authenticate(this.#head(method, target, rawHeaders, peer, earlier, rewritten), this.#needed(needs));
    if (!isPromise(judged)) return this.#told(judged);
    return judged.then((it) => this.#told(it));
  }

  async authenticate({ method, target, rawHeaders, peer, earlier, rewritten }, needs) {
    return this.begin(method, target, rawHeaders, peer, earlier, needs, rewritten);
  }

  async manage({ method, target, rawHeaders, peer, earlier, body }, session) {
    const bytes = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
    const head = this.#head(method, target, rawHeaders, peer, earlier);
    const answer = await this.#native.manage(head, bytes, session);
    try {
      return new Refused(checked(answer));
    } catch (error) {
      // An error of the host. No framework may turn it into a response to the client.
      throw new TypeError(`principal: ${error.message}`, { cause: error });
    }
  }

  async once(context, body) {
    if (context.once === null) return new Lease(this.#native, null);
    const { answer, lease } = await this.#native.once(context.once, Buffer.from(body));
    return answer ? new Refused(answer) : new Lease(this.#native, lease ?? null);
  }

  manages(target) {
    return this.#native.manages(target);
  }

  async explain({ method, target, rawHeaders, peer, rewritten }, needs) {
    return settle(await this.#native.explain(this.#head(method, target, rawHeaders, peer, undefined, rewritten), this.#needed(needs)));
  }

  async openapi() {
    return settle(await this.#native.openapi());
  }

  #told(judged) {
    if (typeof judged === "string") return this.#allowed(judged, PLAIN);
    return checked(judged).status === 0 ? this.#allowed(judged.earlier, judged) : new Refused(judged);
  }

  #allowed(earlier, more) {
    const [revision, id] = beginningOf(earlier);
    return new AuthContext(this.#every, revision === "0" ? null : this.#key(revision), id, earlier, more);
  }

  #key(revision) {
    const known = this.#keys.get(revision);
    if (known !== undefined) return known;
    const key = new Key(JSON.parse(this.#addon.lastKey()));
    if (this.#keys.size >= MOST_KEYS) this.#keys.clear();
    this.#keys.set(revision, key);
    return key;
  }

  #needed(needs) {
    if (needs === undefined || this.#addon === addon) return needs?.native;
    const known = this.#needs.get(needs) ?? checked(this.#addon.needs(needs.options));
    this.#needs.set(needs, known);
    return known;
  }

  /** Writes the head as one text with the headers that the contract reads: each argument that crosses to the addon costs time. */
  #head(method, target, rawHeaders, peer, earlier, rewritten) {
    let lines = 5;
    let text = `\n${method}\n${target}\n${rewritten ? 1 : ""}\n${peer ?? ""}\n${earlier ?? ""}`;
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      if (this.#reads.has(rawHeaders[at].toLowerCase())) {
        text += `\n${rawHeaders[at]}\n${rawHeaders[at + 1]}`;
        lines += 2;
      }
    }
    return lines + text;
  }
}

/** The needs of a guard on one route that applies the rule of the path. */
const BY_RULE = new Needs({ access: "rule" });

/** Makes the needs of a guard on one route. Without arguments the rule of the path applies. */
const required = (http, scopes, more) => asked(http, scopes, more) ?? BY_RULE;

/** Makes the needs of a route, or undefined without arguments. */
const asked = (http, scopes, more) => (scopes === undefined && more === undefined ? undefined : http.needs(scopes, more));

module.exports = { AuthContext, BY_RULE, Http, Needs, Refused, asked, authenticateRequest, manageRequest, required };
