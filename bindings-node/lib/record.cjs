"use strict";

const { inspect, types } = require("node:util");

const HIDDEN = "<hidden: send new.reveal() once>";

const time = (at) => (at === null ? null : new Date(at));

/** Freezes parsed JSON deeply. */
function frozen(value) {
  if (value !== null && typeof value === "object") {
    for (const name in value) frozen(value[name]);
    Object.freeze(value);
  }
  return value;
}

/** Returns plain data with times as RFC 3339 text. */
function plain(value) {
  if (types.isDate(value)) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, it]) => [name, plain(it)]));
}

class Record {
  toJSON() {
    return plain(this);
  }
}

/** A key. `src/key_row.rs` writes its row in this order: a page of rows parses in half the time of objects. */
class Key extends Record {
  constructor(row) {
    super();
    this.id = row[0];
    this.name = row[1];
    this.description = row[2];
    this.org = row[3];
    this.environment = row[4];
    this.prefix = row[5];
    this.status = row[6];
    this.scopes = Object.freeze(row[7]);
    this.level = row[8];
    this.tier = row[9];
    this.limits = frozen(row[10]);
    this.quotas = frozen(row[11]);
    this.networks = frozen(row[12]);
    this.metadata = frozen(row[13]);
    this.created_at = new Date(row[14]);
    this.created_by = row[15];
    this.updated_at = new Date(row[16]);
    this.expires_at = time(row[17]);
    this.disabled_at = time(row[18]);
    this.revoked_at = time(row[19]);
    this.reason = row[20];
    this.last_used_at = time(row[21]);
    this.usage_count = row[22];
    this.denied_count = row[23];
    this.secrets = Object.freeze(row[24].map(secret));
    if (new.target === Key) Object.freeze(this);
  }
}

function secret(row) {
  return Object.freeze({
    prefix: row[0],
    created_at: new Date(row[1]),
    grace_ends_at: time(row[2]),
    last_used_at: time(row[3]),
  });
}

/** A key that was just created or rotated. Its text is no own property: only `api_key` and `reveal()` return it. */
class NewKey extends Key {
  #text;

  constructor([row, text]) {
    super(row);
    this.#text = text;
    Object.freeze(this);
  }

  get api_key() {
    // A copy that a library makes from the prototype has no text.
    return #text in this ? this.#text : HIDDEN;
  }

  toJSON() {
    return { ...super.toJSON(), api_key: HIDDEN };
  }

  reveal() {
    return { ...super.toJSON(), api_key: this.api_key };
  }

  [inspect.custom](depth, options, show = inspect) {
    return `NewKey ${show({ ...this, api_key: HIDDEN }, options)}`;
  }
}

class Decision extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    this.key = fields.key && new Key(fields.key);
    this.grace_ends_at = time(fields.grace_ends_at);
    frozen(fields.missing_scopes);
    frozen(fields.limits);
    this.quotas = Object.freeze(fields.quotas.map((it) => new QuotaState(it)));
    Object.freeze(this);
  }
}

class QuotaState extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    this.starts_at = time(fields.starts_at);
    this.resets_at = time(fields.resets_at);
    Object.freeze(this);
  }
}

class OrgRecord extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    this.created_at = time(fields.created_at);
    this.updated_at = time(fields.updated_at);
    this.disabled_at = time(fields.disabled_at);
    frozen(fields.networks);
    Object.freeze(this);
  }
}

class AuditEntry extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    this.at = time(fields.at);
    frozen(fields.details);
    Object.freeze(this);
  }
}

class ImportReport extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    frozen(this);
  }
}

class AgentUsage extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    this.last_used_at = time(fields.last_used_at);
    Object.freeze(this);
  }
}

class Event extends Record {
  constructor(fields) {
    super();
    Object.assign(this, fields);
    for (const name of ["at", "expires_at", "grace_ends_at", "last_used_at"]) this[name] = time(fields[name]);
    Object.freeze(this);
  }
}

/** One page of a list. `for await` covers this page and all that follow. */
class Page extends Record {
  #turn;

  constructor({ data, has_more, next_cursor }, Item, turn) {
    super();
    this.data = Object.freeze(data.map((it) => new Item(it)));
    this.has_more = has_more;
    this.next_cursor = next_cursor;
    this.#turn = turn;
    Object.freeze(this);
  }

  async *[Symbol.asyncIterator]() {
    let page = this;
    yield* page.data;
    while (page.has_more) {
      page = await page.#turn(page.next_cursor);
      yield* page.data;
    }
  }
}

/**
 * A promise of the first page that also iterates over the items of all pages. It sends no request before `then` is called: a
 * list that nobody awaits cannot reject without a handler, which would end the process.
 */
class Pages extends Promise {
  #turn;
  #first;

  // `then` returns a plain promise, since this constructor takes no executor.
  static get [Symbol.species]() {
    return Promise;
  }

  constructor(turn) {
    super(() => {});
    this.#turn = turn;
  }

  // `await`, `catch`, `finally` and `Promise.all` call this too.
  then(...listeners) {
    this.#first ??= this.#turn();
    return this.#first.then(...listeners);
  }

  async *[Symbol.asyncIterator]() {
    yield* await this;
  }
}

function pages(Item, fetch) {
  const turn = async (cursor) => new Page(await fetch(cursor), Item, turn);
  return new Pages(turn);
}

module.exports = { Key, NewKey, Decision, QuotaState, OrgRecord, AuditEntry, AgentUsage, ImportReport, Event, Page, frozen, pages };
