"use strict";

/** The longest body of an answer that is kept for a repeat. */
const LARGEST_KEPT = 65_536;

/** A request that nobody else does meanwhile; its end is to be told. */
class Lease {
  #native;
  #lease;

  constructor(native, lease) {
    this.#native = native;
    this.#lease = lease;
  }

  get allowed() {
    return true;
  }

  /** Ends it with the answer of the host, which goes its way whether or not it could be kept. */
  async finish(status, rawHeaders, body) {
    const lease = this.#taken();
    if (lease !== null) await this.#native.finish(lease, status, rawHeaders, Buffer.from(body));
  }

  /** Ends it without an answer: the request may be done anew. */
  async release() {
    const lease = this.#taken();
    if (lease !== null) await this.#native.release(lease);
  }

  #taken() {
    const lease = this.#lease;
    this.#lease = null;
    return lease;
  }
}

module.exports = { LARGEST_KEPT, Lease };
