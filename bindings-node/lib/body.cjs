"use strict";

/** The longest body of a management request, in bytes. */
const LARGEST_BODY = 65_536;

/** The longest body of an idempotent request, in bytes. */
const LARGEST_ONCE = 1_048_576;

/** Buffers the first bytes of a body, up to one chunk beyond a limit. */
class Beginning {
  #chunks = [];
  #length = 0;
  #most;

  constructor(most) {
    this.#most = most;
  }

  /** Whether the body is longer than the limit. */
  get isFull() {
    return this.#length > this.#most;
  }

  add(chunk, encoding) {
    if (this.isFull) return;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8") : chunk;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** Adds a copy of a chunk, since its owner may reuse the memory. */
  addCopy(chunk, encoding) {
    if (this.isFull) return;
    this.add(typeof chunk === "string" ? chunk : Buffer.from(chunk.subarray?.(0, this.#most + 1) ?? chunk), encoding);
  }

  bytes() {
    return Buffer.concat(this.#chunks);
  }
}

/** Reads a body, up to the first chunk beyond the limit. */
async function bodyOf(stream, most = LARGEST_BODY) {
  const beginning = new Beginning(most);
  // Canceling one branch of a tee would wait for the other one.
  for await (const chunk of stream?.values?.({ preventCancel: true }) ?? stream ?? []) {
    beginning.add(chunk);
    if (beginning.isFull) break;
  }
  return beginning.bytes();
}

const brokeOff = () => new Error("the body of the request broke off");

/** A body that another middleware has consumed must not count as empty: its content would be ignored. */
function readElsewhere() {
  return new Error("another middleware has read the body and kept it: mount Keywright before it");
}

module.exports = { Beginning, LARGEST_BODY, LARGEST_ONCE, bodyOf, brokeOff, readElsewhere };
