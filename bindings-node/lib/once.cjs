"use strict";

/** The longest body of a request that can be done once. */
const LARGEST_ONCE = 1_048_576;

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

  bytes() {
    return Buffer.concat(this.#chunks);
  }
}

/** The body of a request of Node, which is put back for whoever reads it next. */
function peek(request) {
  return new Promise((resolve, reject) => {
    const beginning = new Beginning(LARGEST_ONCE);
    const broken = () => settle(reject, new Error("the body of the request broke off"));
    const look = () => {
      for (let chunk = request.read(); chunk !== null; chunk = request.read()) beginning.add(chunk);
      if (!request.complete && !beginning.isFull) return;
      const bytes = beginning.bytes();
      // Before its end is told, which is in the next tick.
      if (bytes.length > 0) request.unshift(bytes);
      settle(resolve, bytes);
    };
    function settle(how, what) {
      request.off("readable", look).off("close", broken).off("error", broken);
      how(what);
    }
    if (request.complete && request.readableLength === 0) return resolve(Buffer.alloc(0));
    request.on("readable", look).on("close", broken).on("error", broken);
  });
}

/** Keeps what a response of Node gets as its body, and ends the lease with it before the last of it is sent. */
function keep(response, lease) {
  const { write, end } = response;
  const beginning = new Beginning(LARGEST_KEPT);
  const note = (chunk, encoding) => {
    if (typeof chunk === "string" || chunk instanceof Uint8Array) beginning.add(chunk, encoding);
  };
  response.write = function (...given) {
    note(...given);
    return write.apply(this, given);
  };
  response.end = function (...given) {
    note(...given);
    // Frameworks ask by this whether a response was made.
    Object.defineProperty(this, "headersSent", { value: true, configurable: true });
    const headers = Object.entries(this.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
    lease.finish(this.statusCode, headers, beginning.bytes()).finally(() => {
      delete this.headersSent;
      end.apply(this, given);
    });
    return this;
  };
}

module.exports = { Beginning, LARGEST_KEPT, LARGEST_ONCE, Lease, keep, peek };
