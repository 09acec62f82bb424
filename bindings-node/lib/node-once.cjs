"use strict";

const { types } = require("node:util");
const { Beginning } = require("./body.cjs");
const { setGiven } = require("./node-response.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

/**
 * Stores the response of an idempotent request, and ends the lease before the client has all of it. Chunks go out as they are
 * written. The end of the response waits until the response is stored, and so does the chunk that completes a Content-Length.
 */
function keep(response, lease) {
  const { writeHead, write, end, destroy } = response;
  const beginning = new Beginning(LARGEST_KEPT);
  let headers = null;
  // "open"; "held" while the response is being stored; "over" once the response's own `end` is called.
  let phase = "open";
  let isStreamed = false;
  let written = 0;
  const waiting = [];
  // The headers that the host set: an outer middleware may change the body, and headers with it.
  const head = () => Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)]);

  response.writeHead = function (status, ...given) {
    if (phase === "held") throw headersSent();
    const rest = setGiven(this, given);
    const told = head();
    const done = writeHead.call(this, status, ...rest);
    headers ??= told;
    return done;
  };
  response.write = function (chunk, ...rest) {
    if (phase === "held") return false;
    // The original `end` may write the last chunk with this method.
    if (phase === "over" || !isChunk(chunk)) return write.call(this, chunk, ...rest);
    const [encoding] = rest;
    written += typeof chunk === "string" ? Buffer.byteLength(chunk, encoding) : chunk.length;
    if (written < Number(this.getHeader("content-length") ?? Infinity)) {
      isStreamed = true;
      beginning.addCopy(chunk, encoding);
      return write.call(this, chunk, ...rest);
    }
    const bytes = Buffer.from(chunk, typeof encoding === "string" ? encoding : "utf8");
    beginning.add(bytes);
    waiting.push(bytes);
    // A handler may wait for this callback before it calls `end`.
    const done = rest.find((given) => typeof given === "function");
    if (done) process.nextTick(done);
    return true;
  };
  response.end = function (...given) {
    if (phase === "held") return this;
    if (phase === "over" || isRefused(this, given[0])) return end.apply(this, given);
    // When the client of a stream has left, this may not be its real end.
    const isWhole = !(isStreamed && (this.destroyed || this.stream?.destroyed));
    if (isChunk(given[0])) beginning.addCopy(...given);
    const kept = isWhole ? lease.finish(this.statusCode | 0, headers ?? head(), beginning.bytes()) : lease.release();
    phase = "held";
    const restore = freeze(this);
    void kept
      .catch(() => {})
      .then(() => {
        restore();
        phase = "over";
        for (const part of waiting) write.call(this, part);
        end.apply(this, given);
      })
      .catch((error) => (this.stream ?? this).destroy(error));
    return this;
  };
  if (destroy) {
    response.destroy = function (...given) {
      if (phase === "open") void lease.release().catch(() => {});
      return destroy.apply(this, given);
    };
  }
}

const isChunk = (chunk) => typeof chunk === "string" || types.isUint8Array(chunk);

/** Tells whether `end` would throw. It must then throw while its caller can catch the error. */
function isRefused({ statusCode }, chunk) {
  const isWrong = chunk !== undefined && chunk !== null && typeof chunk !== "function" && !isChunk(chunk);
  return isWrong || (statusCode | 0) < 100 || (statusCode | 0) > 999;
}

/** Makes a response appear ended. Returns a function that restores it with the head that it has now. */
function freeze(response) {
  const { statusCode } = response;
  const headers = response.getHeaders();
  // HTTP/2 has no status message, and warns about it.
  const phrase = Object.hasOwn(response, "statusMessage") ? response.statusMessage : undefined;
  // Frameworks read this to tell whether there is a response.
  Object.defineProperty(response, "writableEnded", { value: true, configurable: true });
  return () => {
    delete response.writableEnded;
    if (response.headersSent || response.destroyed) return;
    response.statusCode = statusCode;
    if (Object.hasOwn(response, "statusMessage")) response.statusMessage = phrase;
    for (const name of response.getHeaderNames()) if (!(name in headers)) response.removeHeader(name);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  };
}

/** The error of Node for a second response. */
function headersSent() {
  const error = new Error("Cannot write headers after they are sent to the client");
  return Object.assign(error, { code: "ERR_HTTP_HEADERS_SENT" });
}

module.exports = { keep };
