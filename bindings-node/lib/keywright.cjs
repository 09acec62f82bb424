"use strict";

const addon = require("./addon.cjs");
const { nativeOf } = require("./clock.cjs");
const { Denied, checked, settle } = require("./error.cjs");
const { AgentUsage, AuditEntry, Decision, Key, NewKey, OrgRecord, frozen, pages } = require("./record.cjs");
const { heard } = require("./event.cjs");
const { numberOf } = require("./request.cjs");
const { noMore, strict } = require("./strict.cjs");

// What is counted is written down when the process or the worker ends, whoever forgot to close an engine.
process.on("exit", () => addon.flushOpen());

// Whom a call concerns: one org by its id, every org, or (no org named) the default org's keys and anybody's text.
const EVERY = null;

/** One engine as one org, or everybody, sees it. */
class Handle {
  #engine;
  #number;
  #org;

  constructor(engine, org) {
    this.#engine = engine;
    this.#number = engine.number;
    this.#org = org;
  }

  async call(name, subject, fields) {
    return settle(await this.#engine.call(name, this.#org, subject, fields));
  }

  list(name, Item, fields) {
    return pages(Item, (cursor) => this.call(name, undefined, cursor === undefined ? fields : { ...fields, cursor }));
  }

  /** The decision, where memory has it; else a promise of it. */
  verify(text, fields) {
    const request = numberOf(fields);
    const known = request === null ? null : addon.recall(this.#number, this.#org, request, text);
    if (typeof known === "number") return decisions.get(known) ?? remembered(known);
    if (known !== null) return new Decision(settle(known));
    return this.#ask(text, fields);
  }

  async #ask(text, fields) {
    const answer = this.#engine.verify(this.#org, text, fields);
    return new Decision(settle(answer instanceof Promise ? await answer : answer));
  }
}

// Decisions by the reading of the key that they are about: what is plainly allowed is the same until the key changes.
const decisions = new Map();
const MOST_DECISIONS = 10_000;

function remembered(reading) {
  const decision = new Decision(JSON.parse(addon.recalled()));
  if (decisions.size >= MOST_DECISIONS) decisions.clear();
  decisions.set(reading, decision);
  return decision;
}

class Keys {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  async create(fields) {
    return new NewKey(await this.#handle.call("keys.create", undefined, fields));
  }

  list(fields) {
    return this.#handle.list("keys.list", Key, fields);
  }

  async get(id) {
    return new Key(await this.#handle.call("keys.get", id));
  }

  async find(prefix) {
    return new Key(await this.#handle.call("keys.find", prefix));
  }

  async update(id, fields) {
    return new Key(await this.#handle.call("keys.update", id, fields));
  }

  async rotate(id, fields) {
    return new NewKey(await this.#handle.call("keys.rotate", id, fields));
  }

  async endGrace(id, fields) {
    return new Key(await this.#handle.call("keys.end_grace", id, fields));
  }

  async revoke(id, fields) {
    return new Key(await this.#handle.call("keys.revoke", id, fields));
  }

  async disable(id, fields) {
    return new Key(await this.#handle.call("keys.disable", id, fields));
  }

  async enable(id, fields) {
    return new Key(await this.#handle.call("keys.enable", id, fields));
  }

  async agents(id) {
    const agents = await this.#handle.call("keys.agents", id);
    return Object.freeze(agents.map((it) => new AgentUsage(it)));
  }

  async attest(id, fields) {
    const told = await this.#handle.call("keys.attest", id, fields);
    return Object.freeze(told.map((it) => new AuditEntry(it)));
  }

  async purge(id, fields) {
    return new Key(await this.#handle.call("keys.purge", id, fields));
  }
}

class Orgs {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  async get(id) {
    return new OrgRecord(await this.#handle.call("orgs.get", id));
  }

  list(fields) {
    return this.#handle.list("orgs.list", OrgRecord, fields);
  }

  async update(id, fields) {
    return new OrgRecord(await this.#handle.call("orgs.update", id, fields));
  }

  async disable(id, fields) {
    return new OrgRecord(await this.#handle.call("orgs.disable", id, fields));
  }

  async enable(id, fields) {
    return new OrgRecord(await this.#handle.call("orgs.enable", id, fields));
  }

  /** Revokes every key of an org; answers how many there were. */
  async revokeKeys(id, fields) {
    return this.#handle.call("orgs.revoke_keys", id, fields);
  }
}

class Audit {
  #handle;

  constructor(handle) {
    this.#handle = handle;
  }

  list(fields) {
    return this.#handle.list("audit.list", AuditEntry, fields);
  }

  async verify() {
    return frozen(await this.#handle.call("audit.verify"));
  }

  async head() {
    return frozen(await this.#handle.call("audit.head"));
  }

  /** Drops the entries before a time, leaving a checkpoint; answers how many there were. */
  async prune(before) {
    return this.#handle.call("audit.prune", before);
  }
}

/** What one org, or everybody, can do. */
class View {
  #handle;

  constructor(handle) {
    this.#handle = handle;
    this.keys = new Keys(handle);
    this.audit = new Audit(handle);
  }

  async verify(text, fields) {
    if (arguments.length > 2) noMore("verify", arguments, 2);
    return this.#handle.verify(text, fields);
  }

  async authenticate(text, fields) {
    if (arguments.length > 2) noMore("authenticate", arguments, 2);
    const decision = await this.#handle.verify(text, fields);
    if (!decision.allowed) throw new Denied(decision);
    return decision.key;
  }
}

class Org extends View {}

let engineOf;

class Keywright extends View {
  #engine;

  static {
    engineOf = (kw) => {
      if (!(#engine in Object(kw))) throw new TypeError("kw must be a Keywright");
      return kw.#engine;
    };
  }

  constructor(url, options) {
    noMore("Keywright", arguments, 2);
    const engine = checked(addon.engine(url, options, nativeOf(options?.clock), heard(options?.onEvent)));
    const handle = new Handle(engine);
    super(handle);
    this.#engine = engine;
    this.orgs = new Orgs(handle);
  }

  /** Opens the database now; any other call does so when it is the first. */
  async open() {
    checked(await this.#engine.open());
    return this;
  }

  /** The view of one tenant: it sees, makes and verifies only keys of its own. */
  org(id) {
    checked(addon.checkOrg(id));
    return new Org(new Handle(this.#engine, id));
  }

  /** The one view across tenants. */
  everyOrg() {
    return new Org(new Handle(this.#engine, EVERY));
  }

  parse(text) {
    return frozen(settle(this.#engine.parse(text)));
  }

  keyPattern() {
    return this.#engine.keyPattern();
  }

  redact(text) {
    return checked(this.#engine.redact(text));
  }

  /** Writes down what was counted until now; it happens by itself each second, in `close`, and at exit. */
  async flush() {
    checked(await this.#engine.flush());
  }

  async close() {
    await this.#engine.close();
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }
}

for (const it of [Keys, Orgs, Audit, Keywright]) strict(it);

module.exports = { Keywright, engineOf };
