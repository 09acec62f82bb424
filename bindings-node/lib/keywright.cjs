"use strict";

const addon = require("./addon.cjs");
const { nativeOf } = require("./clock.cjs");
const { Denied, checked, settle } = require("./error.cjs");
const { AgentUsage, AuditEntry, Decision, Key, NewKey, OrgRecord, frozen, pages } = require("./record.cjs");
const { heard, warn } = require("./event.cjs");
const { exitTasks } = require("./exit.cjs");
const { isPromise } = require("./promise.cjs");
const { numberOf } = require("./request.cjs");
const { noMore, strict } = require("./strict.cjs");

// What is counted is written down when the process or the worker ends, whoever forgot to close an engine.
const ending = exitTasks();
ending.before.add(addon.endOpen);
ending.exit.add(addon.flushOpen);

// Properties under symbols, which a proxy of an object has too, and no private fields, which it has not.
const ENGINE = Symbol.for("keywright.engine");
const HANDLE = Symbol("keywright handle");

/** Keeps a value on an object where no listing of its properties shows it. */
const hide = (object, name, value) => Object.defineProperty(object, name, { value });

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
    return new Decision(settle(isPromise(answer) ? await answer : answer));
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
  constructor(handle) {
    hide(this, HANDLE, handle);
  }

  async create(fields) {
    return new NewKey(await this[HANDLE].call("keys.create", undefined, fields));
  }

  list(fields) {
    return this[HANDLE].list("keys.list", Key, fields);
  }

  async get(id) {
    return new Key(await this[HANDLE].call("keys.get", id));
  }

  async find(prefix) {
    return new Key(await this[HANDLE].call("keys.find", prefix));
  }

  async update(id, fields) {
    return new Key(await this[HANDLE].call("keys.update", id, fields));
  }

  async rotate(id, fields) {
    return new NewKey(await this[HANDLE].call("keys.rotate", id, fields));
  }

  async endGrace(id, fields) {
    return new Key(await this[HANDLE].call("keys.end_grace", id, fields));
  }

  async revoke(id, fields) {
    return new Key(await this[HANDLE].call("keys.revoke", id, fields));
  }

  async disable(id, fields) {
    return new Key(await this[HANDLE].call("keys.disable", id, fields));
  }

  async enable(id, fields) {
    return new Key(await this[HANDLE].call("keys.enable", id, fields));
  }

  async agents(id) {
    const agents = await this[HANDLE].call("keys.agents", id);
    return Object.freeze(agents.map((it) => new AgentUsage(it)));
  }

  async attest(id, fields) {
    const told = await this[HANDLE].call("keys.attest", id, fields);
    return Object.freeze(told.map((it) => new AuditEntry(it)));
  }

  async purge(id, fields) {
    return new Key(await this[HANDLE].call("keys.purge", id, fields));
  }
}

class Orgs {
  constructor(handle) {
    hide(this, HANDLE, handle);
  }

  async get(id) {
    return new OrgRecord(await this[HANDLE].call("orgs.get", id));
  }

  list(fields) {
    return this[HANDLE].list("orgs.list", OrgRecord, fields);
  }

  async update(id, fields) {
    return new OrgRecord(await this[HANDLE].call("orgs.update", id, fields));
  }

  async disable(id, fields) {
    return new OrgRecord(await this[HANDLE].call("orgs.disable", id, fields));
  }

  async enable(id, fields) {
    return new OrgRecord(await this[HANDLE].call("orgs.enable", id, fields));
  }

  /** Revokes every key of an org; answers how many there were. */
  async revokeKeys(id, fields) {
    return this[HANDLE].call("orgs.revoke_keys", id, fields);
  }
}

class Audit {
  constructor(handle) {
    hide(this, HANDLE, handle);
  }

  list(fields) {
    return this[HANDLE].list("audit.list", AuditEntry, fields);
  }

  async verify() {
    return frozen(await this[HANDLE].call("audit.verify"));
  }

  async head() {
    return frozen(await this[HANDLE].call("audit.head"));
  }

  /** Drops the entries before a time, leaving a checkpoint; answers how many there were. */
  async prune(before) {
    return this[HANDLE].call("audit.prune", before);
  }
}

/** What one org, or everybody, can do. */
class View {
  constructor(handle) {
    hide(this, HANDLE, handle);
    this.keys = new Keys(handle);
    this.audit = new Audit(handle);
  }

  async verify(text, fields) {
    if (arguments.length > 2) noMore("verify", arguments, 2);
    return this[HANDLE].verify(text, fields);
  }

  async authenticate(text, fields) {
    if (arguments.length > 2) noMore("authenticate", arguments, 2);
    const decision = await this[HANDLE].verify(text, fields);
    if (!decision.allowed) throw new Denied(decision);
    return decision.key;
  }
}

class Org extends View {}

/** The native engine of a Keywright with its addon, which another copy of this package may have loaded. */
function engineOf(kw) {
  const found = kw?.[ENGINE];
  if (found === undefined) throw new TypeError("kw must be a Keywright");
  if (found.addon.VERSION !== addon.VERSION) {
    throw new TypeError(`kw is of keywright ${found.addon.VERSION}, and this is ${addon.VERSION}: install one version`);
  }
  return found;
}

class Keywright extends View {
  constructor(url, options) {
    noMore("Keywright", arguments, 2);
    const engine = checked(addon.engine(url, options, nativeOf(options?.clock), heard(options?.onEvent), warn));
    const handle = new Handle(engine);
    super(handle);
    hide(this, ENGINE, { engine, addon });
    this.orgs = new Orgs(handle);
  }

  /** Opens the database now; any other call does so when it is the first. */
  async open() {
    checked(await this[ENGINE].engine.open());
    return this;
  }

  /** The view of one tenant: it sees, makes and verifies only keys of its own. */
  org(id) {
    checked(addon.checkOrg(id));
    return new Org(new Handle(this[ENGINE].engine, id));
  }

  /** The one view across tenants. */
  everyOrg() {
    return new Org(new Handle(this[ENGINE].engine, EVERY));
  }

  parse(text) {
    return frozen(settle(this[ENGINE].engine.parse(text)));
  }

  keyPattern(syntax) {
    return checked(this[ENGINE].engine.keyPattern(syntax === undefined ? "perl" : syntax));
  }

  redact(text) {
    return checked(this[ENGINE].engine.redact(text));
  }

  /** Writes down what was counted until now; it happens by itself each second, in `close`, and at exit. */
  async flush() {
    checked(await this[ENGINE].engine.flush());
  }

  async close() {
    await this[ENGINE].engine.close();
  }

  [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    return this.close();
  }
}

for (const it of [Keys, Orgs, Audit, Keywright]) strict(it);

module.exports = { Keywright, engineOf };
