"use strict";

/** The longest body of a stored response, in bytes. */
const LARGEST_KEPT = 65_536;

/** The exclusive right to handle an idempotent request, until `finish` or `release`. */
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

  /** Ends the lease with the response of the host. The response is sent even if it cannot be stored. */
  async finish(status, rawHeaders, body) {
    const lease = this.#taken();
    if (lease !== null) await this.#native.finish(lease, status, rawHeaders, Buffer.from(body));
  }

  /** Ends the lease without a response: the request may run again. */
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
