"use strict";

const { Beginning } = require("./body.cjs");
const { setGiven } = require("./node-response.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

const isBytes = (chunk) => typeof chunk === "string" || chunk instanceof Uint8Array;

/** Keeps what a response of Node gets as its body, and ends the lease with it before the last of it is sent. */
function keep(response, lease) {
  const { writeHead, write, end, destroy } = response;
  const beginning = new Beginning(LARGEST_KEPT);
  let headers = null;
  let [isStreamed, isEnding, isEnded] = [false, false, false];
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
    // The end of HTTP/2 writes by itself.
    if (!isEnding && !isEnded) {
      isStreamed = true;
      if (isBytes(given[0])) beginning.add(...given);
    }
    return write.apply(this, given);
  };
  response.end = function (...given) {
    if (isEnded) return end.apply(this, given);
    const [told, letGo] = [head(), hold(this.req.httpVersionMajor === 2 ? this.stream : this.socket)];
    // Of a stream that its client has left nobody knows whether this is its end.
    const isWhole = !(isStreamed && (this.destroyed || this.stream?.destroyed));
    isEnding = true;
    try {
      end.apply(this, given);
    } catch (error) {
      letGo(1);
      throw error;
    } finally {
      isEnding = false;
    }
    isEnded = true;
    if (isBytes(given[0])) beginning.add(...given);
    const kept = isWhole ? lease.finish(this.statusCode, headers ?? told, beginning.bytes()) : lease.release();
    void kept.catch(() => {}).then(() => letGo());
    return this;
  };
  if (destroy) {
    response.destroy = function (...given) {
      if (!isEnded) void lease.release().catch(() => {});
      return destroy.apply(this, given);
    };
  }
}

/** Holds back what is written to a stream from now on, and what would end it, until the function that it gives is called. */
function hold(stream) {
  if (!stream || stream.destroyed) return () => {};
  let destroyed = null;
  stream.cork();
  stream.uncork = () => {};
  stream.destroy = (...given) => {
    destroyed ??= given;
    return stream;
  };
  return (times = Infinity) => {
    delete stream.uncork;
    delete stream.destroy;
    for (let time = 0; time < times && stream.writableCorked > 0; time++) stream.uncork();
    if (destroyed) stream.destroy(...destroyed);
  };
}

module.exports = { keep };
