"use strict";

/** The longest body that management reads. */
const LARGEST_BODY = 65_536;

/** The longest body of a request that can be done once. */
const LARGEST_ONCE = 1_048_576;

/** The beginning of a body, as far as it is looked at. */
class Beginning {
  #chunks = [];
  #length = 0;
  #most;

  constructor(most) {
    this.#most = most;
  }

  /** Whether there is more of it than is looked at. */
  get isFull() {
    return this.#length > this.#most;
  }

  add(chunk, encoding) {
    if (this.isFull) return;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8") : chunk;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** The same of a chunk whose memory its owner may use for something else: a copy of what is looked at. */
  addCopy(chunk, encoding) {
    if (this.isFull) return;
    this.add(typeof chunk === "string" ? chunk : Buffer.from(chunk.subarray?.(0, this.#most + 1) ?? chunk), encoding);
  }

  bytes() {
    return Buffer.concat(this.#chunks);
  }
}

/** A body, up to the first part that is too much. */
async function bodyOf(stream, most = LARGEST_BODY) {
  const beginning = new Beginning(most);
  // To cancel one of two branches would wait for the other.
  for await (const chunk of stream?.values?.({ preventCancel: true }) ?? stream ?? []) {
    beginning.add(chunk);
    if (beginning.isFull) break;
  }
  return beginning.bytes();
}

const brokeOff = () => new Error("the body of the request broke off");

/** What another middleware has read and kept elsewhere must not count as none: what it said would be left out. */
function readElsewhere() {
  return new Error("another middleware has read the body and kept it: mount Keywright before it");
}

module.exports = { Beginning, LARGEST_BODY, LARGEST_ONCE, bodyOf, brokeOff, readElsewhere };
