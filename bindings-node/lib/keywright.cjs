"use strict";

const addon = require("./addon.cjs");
const { nativeOf } = require("./clock.cjs");
const { Denied, checked, settle } = require("./error.cjs");
const { AgentUsage, AuditEntry, Decision, ImportReport, Key, NewKey, OrgRecord, frozen, pages, QuotaState } = require("./record.cjs");
const { eventCallback, warn } = require("./event.cjs");
const { exitTasks } = require("./exit.cjs");
const { isPromise } = require("./promise.cjs");
const { numberOf } = require("./request.cjs");
const { noMore, strict } = require("./strict.cjs");

// Writes the counters of every engine that is still open when the process or the worker ends.
const ending = exitTasks();
ending.before.add(addon.endOpen);
ending.exit.add(addon.flushOpen);

// Symbol properties instead of private fields: a proxy of an object has them too.
const ENGINE = Symbol.for("keywright.engine");
const HANDLE = Symbol("keywright handle");

/** Stores a value in a property that is not enumerable. */
const hide = (object, name, value) => Object.defineProperty(object, name, { value });

// The org of a call is an id, this for every org, or undefined: then keys are those of the default org, and every text is verified.
const EVERY = null;

/** An engine, limited to one org or not. */
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

  /** Returns the decision, or a promise when memory does not have it. */
  verify(text, fields) {
    const request = numberOf(fields);
    const known = request === null ? null : addon.verifyCached(this.#number, this.#org, request, text);
    if (typeof known === "number") return decisions.get(known) ?? remembered(known);
    if (known !== null) return new Decision(settle(known));
    return this.#ask(text, fields);
  }

  async #ask(text, fields) {
    const answer = this.#engine.verify(this.#org, text, fields);
    return new Decision(settle(isPromise(answer) ? await answer : answer));
  }
}

// Plain "allowed" decisions by the revision of their key: a key that changes has another revision.
const decisions = new Map();
const MOST_DECISIONS = 10_000;

function remembered(revision) {
  const decision = new Decision(JSON.parse(addon.lastDecision()));
  if (decisions.size >= MOST_DECISIONS) decisions.clear();
  decisions.set(revision, decision);
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

  async credit(id, fields) {
    return new QuotaState(await this[HANDLE].call("keys.credit", id, fields));
  }

  async attest(id, fields) {
    const told = await this[HANDLE].call("keys.attest", id, fields);
    return Object.freeze(told.map((it) => new AuditEntry(it)));
  }

  async importHashed(fields) {
    return new ImportReport(await this[HANDLE].call("keys.import_hashed", undefined, fields));
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

  /** Revokes every key of an org. Returns their number. */
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

  /** Removes the entries before a time and leaves a checkpoint. Returns their number. */
  async prune(before) {
    return this[HANDLE].call("audit.prune", before);
  }
}

/** The calls that one org, or every org, has. */
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

/** Returns the native engine of a Keywright and its addon, which another copy of this package may have loaded. */
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
    const engine = checked(addon.engine(url, options, nativeOf(options?.clock), eventCallback(options?.onEvent), warn));
    const handle = new Handle(engine);
    super(handle);
    hide(this, ENGINE, { engine, addon });
    this.orgs = new Orgs(handle);
  }

  /** Opens the database now. Otherwise the first call opens it. */
  async open() {
    checked(await this[ENGINE].engine.open());
    return this;
  }

  /** Returns a handle for one org. It sees, creates and verifies only the keys of this org. */
  org(id) {
    checked(addon.checkOrg(id));
    return new Org(new Handle(this[ENGINE].engine, id));
  }

  /** Returns the only handle across orgs. */
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

  /** Writes the counters to the database. This also happens every second, in `close`, and at exit. */
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
