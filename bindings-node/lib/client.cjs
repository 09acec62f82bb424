"use strict";

// The client of `keywright serve`: the calls, records and errors of the engine, over HTTP.

const { randomUUID } = require("node:crypto");
const { inspect } = require("node:util");
const { DecisionCache } = require("./client-cache.cjs");
const { exchange } = require("./client-exchange.cjs");
const wire = require("./client-wire.cjs");
const { Closed, Denied } = require("./error.cjs");
const { AgentUsage, AuditEntry, OrgRecord, QuotaState, pages } = require("./record.cjs");
const { noMore, strict } = require("./strict.cjs");

const DEFAULT_URL = "http://127.0.0.1:8787";
const MOST_RETRIES = 10;
const MOST_STALENESS = "1h";
const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const OPTIONS = ["url", "apiKey", "timeout", "retries", "maxStaleness", "fetch"];

// The effect of a change that the server gets twice: that of once; the same, under an idempotency key, which the server stores for a
// day, and of which it takes a limited number; another one.
const SAME = "same";
const WITH_KEY = "with key";
const OTHER = "other";

/** The connection to a server: its address, the credential, and how often a request is sent. */
class Connection {
  #url;
  #headers = { accept: "application/json" };
  #timeout;
  #retries;
  #fetch;
  #cache;
  #closed = false;

  constructor(options, cache) {
    this.#cache = cache;
    this.#url = addressOf(options.url ?? (process.env.KEYWRIGHT_SERVER_URL || DEFAULT_URL));
    if ("apiKey" in options) this.#headers.authorization = `Bearer ${credentialOf(options.apiKey)}`;
    this.#timeout = millis("timeout", options.timeout ?? "10s");
    this.#retries = retriesOf(options.retries ?? 2);
    this.#fetch = options.fetch ?? globalThis.fetch;
  }

  get url() {
    return this.#url;
  }

  close() {
    this.#closed = true;
  }

  /** Sends a request, and returns the value of its answer. */
  async #send(method, path, text, headers, isRepeatable) {
    if (this.#closed) {
      throw new Closed({ code: "closed", status: 503, message: "this client is closed; make a new one" });
    }
    const init = { method, headers: { ...this.#headers, ...headers }, body: text };
    const settings = { retries: this.#retries, timeout: this.#timeout, fetch: this.#fetch, isRepeatable };
    return wire.parsed(await exchange({ url: this.#url + path, init, ...settings }), `the server at ${this.#url}`);
  }

  get(path, fields) {
    return this.#send("GET", path + wire.query(fields), undefined, {}, true);
  }

  /** Sends a change; `twice` is the effect if the server gets it twice. */
  async change(method, path, fields, twice = WITH_KEY) {
    const headers = { "content-type": "application/json" };
    if (twice === WITH_KEY) headers["idempotency-key"] = randomUUID();
    try {
      return await this.#send(method, path, wire.body(fields), headers, twice !== OTHER);
    } finally {
      // A change by this client shows in its next verification.
      this.#cache?.clear();
    }
  }

  /** Asks for a verification. It counts, so it is sent again only if the server has not run it. */
  verify(fields) {
    return this.#send("POST", "/verify", wire.body(fields), { "content-type": "application/json" }, false);
  }
}

/** Returns a path of which some parts are ids. */
function place(...parts) {
  for (const part of parts) {
    if (typeof part !== "string" && !Number.isInteger(part)) {
      throw wire.invalidRequest("id", "is neither text nor an integer; give the id of a record");
    }
  }
  // `.` and `..` would leave the path.
  return `/${parts.map((part) => encodeURIComponent(String(part)).replaceAll(".", "%2E")).join("/")}`;
}

const list = (connection, path, Item, fields) =>
  pages(Item, (cursor) => connection.get(path, cursor === undefined ? fields : { ...fields, cursor }));

class Keys {
  #connection;

  constructor(connection) {
    this.#connection = connection;
  }

  async create(fields) {
    return wire.issued(await this.#connection.change("POST", "/keys", fields));
  }

  list(fields) {
    return list(this.#connection, "/keys", wire.ListedKey, fields);
  }

  async get(id) {
    return wire.keyOf(await this.#connection.get(place("keys", id)));
  }

  async update(id, fields) {
    return wire.keyOf(await this.#connection.change("PATCH", place("keys", id), fields, OTHER));
  }

  async rotate(id, fields) {
    return wire.issued(await this.#connection.change("POST", place("keys", id, "rotate"), fields));
  }

  async endGrace(id, fields) {
    return wire.keyOf(await this.#connection.change("POST", place("keys", id, "end-grace"), fields, SAME));
  }

  async revoke(id, fields) {
    return wire.keyOf(await this.#connection.change("DELETE", place("keys", id), fields, SAME));
  }

  async disable(id, fields) {
    return wire.keyOf(await this.#connection.change("POST", place("keys", id, "disable"), fields, SAME));
  }

  async enable(id, fields) {
    return wire.keyOf(await this.#connection.change("POST", place("keys", id, "enable"), fields));
  }

  async agents(id) {
    const { data } = await this.#connection.get(place("keys", id, "agents"));
    return Object.freeze(data.map((it) => new AgentUsage(it)));
  }

  async attest(id, fields) {
    // Agents may claim much in a day.
    const { data } = await this.#connection.change("POST", place("keys", id, "attest"), fields, OTHER);
    return Object.freeze(data.map((it) => new AuditEntry(it)));
  }

  async credit(id, fields) {
    return new QuotaState(await this.#connection.change("POST", place("keys", id, "credit"), fields));
  }
}

class Orgs {
  #connection;

  constructor(connection) {
    this.#connection = connection;
  }

  async get(id) {
    return new OrgRecord(await this.#connection.get(place("orgs", id)));
  }

  list(fields) {
    return list(this.#connection, "/orgs", OrgRecord, fields);
  }

  async update(id, fields) {
    return new OrgRecord(await this.#connection.change("PATCH", place("orgs", id), fields, OTHER));
  }

  async disable(id, fields) {
    return new OrgRecord(await this.#connection.change("POST", place("orgs", id, "disable"), fields, SAME));
  }

  async enable(id, fields) {
    return new OrgRecord(await this.#connection.change("POST", place("orgs", id, "enable"), fields));
  }

  async revokeKeys(id, fields) {
    return (await this.#connection.change("POST", place("orgs", id, "revoke-keys"), fields)).revoked;
  }
}

class Audit {
  #connection;

  constructor(connection) {
    this.#connection = connection;
  }

  list(fields) {
    return list(this.#connection, "/audit", AuditEntry, fields);
  }
}

/** Verification of keys of every org that the caller may verify, or of one. */
class Verifier {
  #connection;
  #cache;
  #org;

  constructor(connection, cache, org) {
    this.#connection = connection;
    this.#cache = cache;
    this.#org = org;
  }

  async verify(text, request) {
    const fields = { ...request, ...(this.#org === undefined ? {} : { org: this.#org }) };
    const known = textOf(text);
    const name = this.#cache?.name(known, fields) ?? null;
    const found = name === null ? undefined : this.#cache.get(name);
    if (found !== undefined) return found;
    const sent = this.#cache?.moment();
    let answer;
    try {
      answer = await this.#connection.verify({ ...fields, api_key: known });
    } catch (trouble) {
      return wire.undecided(trouble);
    }
    const decision = wire.decisionOf(answer);
    if (name !== null) this.#cache.put(name, sent, decision);
    return decision;
  }

  async authenticate(text, request) {
    const decision = await this.verify(text, request);
    if (!decision.allowed) throw new Denied(decision);
    return decision.key;
  }
}

class Client {
  #connection;
  #cache;
  #verifier;

  constructor(url, options) {
    noMore("Client", arguments, 2);
    const given = optionsOf(url, options);
    this.#cache = given.maxStaleness == null ? undefined : new DecisionCache(stalenessOf(given.maxStaleness));
    this.#connection = new Connection(given, this.#cache);
    this.#verifier = new Verifier(this.#connection, this.#cache);
    this.keys = new Keys(this.#connection);
    this.orgs = new Orgs(this.#connection);
    this.audit = new Audit(this.#connection);
  }

  async verify(text, request) {
    return this.#verifier.verify(text, request);
  }

  async authenticate(text, request) {
    return this.#verifier.authenticate(text, request);
  }

  /** Returns a handle that verifies only the keys of this org. */
  org(id) {
    if (typeof id !== "string") throw wire.invalidRequest("org", "is no text; give the id of an org");
    return new Verifier(this.#connection, this.#cache, id);
  }

  /** Refuses further calls. */
  async close() {
    this.#connection.close();
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }

  [inspect.custom]() {
    return `Client(${this.#connection.url})`;
  }
}

function optionsOf(url, options) {
  const given = typeof url === "string" || url === undefined ? { ...options, ...(url === undefined ? {} : { url }) } : url;
  if (given === null || typeof given !== "object" || (given === url && options !== undefined)) {
    throw wire.invalidRequest("url", "is no text; give the address of a server, or one object of options");
  }
  const unknown = Object.keys(given).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw wire.invalidRequest(unknown, `is no option of a client; the options are ${OPTIONS.join(", ")}`);
  return given;
}

function addressOf(url) {
  const fix = "write https://keys.example";
  if (typeof url !== "string") throw wire.invalidRequest("url", `is no text; ${fix}`);
  const found = /^https?:\/\/([^/?#\s]+)(\/[^?#\s]*)?$/.exec(url);
  if (found === null) throw wire.validationFailed("url", `is no address of a server; ${fix}`);
  if (found[1].includes("@")) throw wire.validationFailed("url", "holds a credential; give the key as apiKey");
  return url.replace(/\/+$/, "");
}

function credentialOf(apiKey) {
  const fix = "give the text of a key";
  if (typeof apiKey !== "string") throw wire.invalidRequest("apiKey", `is no text; ${fix}`);
  if (!/^[!-~]+$/.test(apiKey)) throw wire.validationFailed("apiKey", `is empty, or has letters that no key has; ${fix}`);
  return apiKey;
}

function retriesOf(retries) {
  if (Number.isInteger(retries) && retries >= 0 && retries <= MOST_RETRIES) return retries;
  throw wire.validationFailed("retries", `is no number of repetitions; give 0 to ${MOST_RETRIES}`);
}

function millis(name, span) {
  const found = typeof span === "string" ? /^(\d{1,9})([smhd])$/.exec(span) : null;
  const length = found === null ? 0 : Number(found[1]) * UNITS[found[2]];
  if (length > 0 && length < 2 ** 31) return length;
  throw wire.validationFailed(name, 'is no duration above zero; write "10s" or "5m"');
}

/** Returns the milliseconds for which decisions are repeated, at most as long as for the engine. */
function stalenessOf(span) {
  const length = millis("maxStaleness", span);
  if (length <= millis("maxStaleness", MOST_STALENESS)) return length;
  throw wire.validationFailed("maxStaleness", `is longer than an hour; give "${MOST_STALENESS}" at most`);
}

/** Returns the text of a credential for JSON. No key has a letter that is no text. */
function textOf(given) {
  if (given === null || given === undefined) return null;
  if (given instanceof Uint8Array) return Buffer.from(given).toString("utf8");
  if (typeof given !== "string") throw wire.invalidRequest("text", "is neither text nor bytes; give the text of a key, or null");
  return given.toWellFormed();
}

for (const it of [Keys, Orgs, Audit, Verifier, Client]) strict(it);

module.exports = { Client };
