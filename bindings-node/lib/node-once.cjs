"use strict";

const { Beginning } = require("./body.cjs");
const { setGiven } = require("./node-response.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

/** Of these Node says no length by itself. */
const BODILESS = new Set([204, 304]);

const isBytes = (chunk) => typeof chunk === "string" || chunk instanceof Uint8Array;
const encodingOf = ([, encoding]) => (typeof encoding === "string" ? encoding : undefined);
const isNothing = (chunk) => chunk === undefined || chunk === null || typeof chunk === "function";

/** Keeps what a response of Node gets as its body, and ends the lease with it before the last of it is sent. */
function keep(response, lease) {
  const { writeHead, write, end, destroy } = response;
  const beginning = new Beginning(LARGEST_KEPT);
  let headers = null;
  let [isStreamed, isEnded] = [false, false];
  // As the host says them: what stands in front of it may make something else of the body, and say so as well.
  const head = () => Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
  response.writeHead = function (status, ...given) {
    const rest = setGiven(this, given);
    const told = head();
    const done = writeHead.call(this, status, ...rest);
    headers ??= told;
    return done;
  };
  response.write = function (...given) {
    if (isEnded) return false;
    isStreamed = true;
    if (isBytes(given[0])) beginning.add(...given);
    return write.apply(this, given);
  };
  response.end = function (...given) {
    if (isEnded) return this;
    // Node says what is wrong with it.
    if (!isBytes(given[0]) && !isNothing(given[0])) return end.apply(this, given);
    begin(this, isStreamed ? null : Buffer.byteLength(isBytes(given[0]) ? given[0] : "", encodingOf(given)));
    if (isBytes(given[0])) beginning.add(...given);
    isEnded = true;
    // Frameworks ask by this whether a response was made.
    Object.defineProperty(this, "writableEnded", { value: true, configurable: true });
    // Of a stream that its client has left nobody knows whether this is its end.
    const isWhole = !(isStreamed && (this.destroyed || this.stream?.destroyed));
    const done = isWhole ? lease.finish(this.statusCode, headers ?? head(), beginning.bytes()) : lease.release();
    void done.catch(() => {}).then(() => {
      delete this.writableEnded;
      // The end of HTTP/2 writes by itself.
      Object.assign(this, { write, end });
      try {
        end.apply(this, given);
      } catch (error) {
        this.destroy?.(error);
      }
    });
    return this;
  };
  const brokeOff = () => void (isEnded || lease.release().catch(() => {}));
  if (destroy) {
    response.destroy = function (...given) {
      brokeOff();
      return destroy.apply(this, given);
    };
  }
  // When a client has gone, a handler that has said nothing yet may still be at work.
  response.once("close", () => isStreamed && brokeOff());
}

/** Settles the head as it is now, of which the end may come later: what is wrong in it is said here, and no more is set. */
function begin(response, length) {
  if (response.headersSent) return;
  const isFramed = response.hasHeader("content-length") || response.hasHeader("transfer-encoding");
  // What Node would say of itself, if the end came at once.
  const tells = length !== null && !isFramed && response.req.httpVersionMajor === 1 && !BODILESS.has(response.statusCode);
  if (tells) response.setHeader("Content-Length", length);
  try {
    response.writeHead(response.statusCode);
  } catch (error) {
    if (tells) response.removeHeader("Content-Length");
    throw error;
  }
}

module.exports = { keep };
