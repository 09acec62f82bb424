"use strict";

const { createHmac, randomBytes } = require("node:crypto");

const MOST = 10_000;

/** Allowed decisions, each for a limited time after its request was sent. It holds no text of a key. */
class DecisionCache {
  #age;
  #secret = randomBytes(32);
  #found = new Map();

  constructor(age) {
    this.#age = age;
  }

  /** Returns the place of a decision, or null if it must not be remembered, because each request counts. */
  name(text, fields) {
    if (text === null || (fields.cost ?? null) !== null) return null;
    const needs = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
    const sorted = needs.sort(([one], [other]) => (one < other ? -1 : 1));
    return createHmac("sha256", this.#secret).update(JSON.stringify([text, sorted])).digest("base64");
  }

  get(name) {
    const found = this.#found.get(name);
    if (found === undefined) return undefined;
    if (performance.now() - found.sentAt <= this.#age && lives(found.decision)) return found.decision;
    this.#found.delete(name);
    return undefined;
  }

  /** Remembers a decision that allows a key and counts against nothing, of which a list would tell. */
  put(name, sentAt, decision) {
    if (!decision.allowed || Object.values(decision).some((it) => Array.isArray(it) && it.length > 0)) return;
    this.#found.delete(name);
    if (this.#found.size >= MOST) this.#found.delete(this.#found.keys().next().value);
    this.#found.set(name, { sentAt, decision });
  }
}

function lives({ grace_ends_at, key }) {
  return [grace_ends_at, key.expires_at].every((end) => end === null || Date.now() < end.getTime());
}

module.exports = { DecisionCache };
