"use strict";

const { createHmac, randomBytes } = require("node:crypto");
const wire = require("./client-wire.cjs");

const MOST = 10_000;

/** The time on two clocks: one stands still while a machine sleeps, and somebody may set the other one. */
const now = () => [performance.now(), Date.now()];

/** Allowed decisions, each for a limited time after its request was sent. It holds no text of a key. */
class DecisionCache {
  #age;
  #secret = randomBytes(32);
  #found = new Map();
  #changes = 0;

  constructor(age) {
    this.#age = age;
  }

  /** Returns the place of a decision, or null if it must not be remembered, because each request counts. */
  name(text, fields) {
    if (text === null || (fields.cost ?? null) !== null) return null;
    const needs = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
    const sorted = needs.sort(([one], [other]) => (one < other ? -1 : 1));
    // As it is sent, so that two requests that differ there never share a decision.
    return createHmac("sha256", this.#secret).update(wire.body({ text, sorted })).digest("base64");
  }

  /** The moment at which a request is sent. */
  moment() {
    return { times: now(), changes: this.#changes };
  }

  get(name) {
    const found = this.#found.get(name);
    if (found === undefined) return undefined;
    const ages = now().map((time, at) => time - found.sent.times[at]);
    if (ages.every((age) => Math.abs(age) <= this.#age) && lives(found.decision)) return found.decision;
    this.#found.delete(name);
    return undefined;
  }

  /** Forgets all decisions, those that are under way among them. */
  clear() {
    this.#changes += 1;
    this.#found.clear();
  }

  /** Remembers a decision that allows a key and counts against nothing, of which a list would tell. */
  put(name, sent, decision) {
    if (sent.changes !== this.#changes) return;
    if (!decision.allowed || Object.values(decision).some((it) => Array.isArray(it) && it.length > 0)) return;
    this.#found.delete(name);
    if (this.#found.size >= MOST) this.#found.delete(this.#found.keys().next().value);
    this.#found.set(name, { sent, decision });
  }
}

function lives({ grace_ends_at, key }) {
  return [grace_ends_at, key.expires_at].every((end) => end === null || Date.now() < end.getTime());
}

module.exports = { DecisionCache };
