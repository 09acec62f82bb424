"use strict";

const { Beginning } = require("./body.cjs");
const { setGiven } = require("./node-response.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

/** Keeps what a response of Node gets as its body, and ends the lease with it before the last of it is sent. */
function keep(response, lease) {
  const { writeHead, write, end, destroy } = response;
  const beginning = new Beginning(LARGEST_KEPT);
  const endsIn = response.req.httpVersionMajor === 2 ? later : held;
  let headers = null;
  let [isStreamed, isEnding, isEnded] = [false, false, false];
  // As the host says them: what stands in front of it may make something else of the body, and say so as well.
  const head = () => Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
  const note = (chunk, encoding) => {
    if (typeof chunk === "string" || chunk instanceof Uint8Array) beginning.addCopy(chunk, encoding);
  };
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
      note(...given);
    }
    return write.apply(this, given);
  };
  response.end = function (...given) {
    if (isEnded) return endsIn === later ? this : end.apply(this, given);
    // Of a stream that its client has left nobody knows whether this is its end.
    const isWhole = !(isStreamed && (this.destroyed || this.stream?.destroyed));
    const told = head();
    const letGo = endsIn(this, () => {
      isEnding = true;
      try {
        end.apply(this, given);
      } finally {
        isEnding = false;
      }
    });
    isEnded = true;
    note(...given);
    const kept = isWhole ? lease.finish(this.statusCode, headers ?? told, beginning.bytes()) : lease.release();
    void kept.catch(() => {}).then(letGo);
    return this;
  };
  if (destroy) {
    response.destroy = function (...given) {
      if (!isEnded) void lease.release().catch(() => {});
      return destroy.apply(this, given);
    };
  }
}

/** Ends a response of HTTP/1.1, and holds back what goes over the wire until the function that it gives is called. */
function held(response, end) {
  const { socket } = response;
  let letGo = socket ? hold(socket) : null;
  let isOver = false;
  try {
    end();
  } catch (error) {
    letGo?.(1);
    throw error;
  }
  // One that is pipelined waits for those before it.
  if (!socket) response.once("socket", (it) => isOver || (letGo = hold(it)));
  return () => {
    isOver = true;
    letGo?.();
  };
}

/** Holds back what is written to a socket, and what would end it, until the function that it gives is called. */
function hold(socket) {
  if (socket.destroyed) return () => {};
  const { uncork, destroy } = socket;
  const own = ["uncork", "destroy"].filter((name) => Object.hasOwn(socket, name));
  let [destroyed, isOver] = [null, false];
  socket.cork();
  socket.uncork = () => {};
  socket.destroy = (...given) => {
    // Whoever has taken it calls it later, too.
    if (isOver) return destroy.apply(socket, given);
    destroyed ??= given;
    return socket;
  };
  return (times = Infinity) => {
    isOver = true;
    delete socket.uncork;
    delete socket.destroy;
    if (own.includes("uncork")) socket.uncork = uncork;
    if (own.includes("destroy")) socket.destroy = destroy;
    for (let time = 0; time < times && socket.writableCorked > 0; time++) socket.uncork();
    if (destroyed) socket.destroy(...destroyed);
  };
}

/** Ends a response of HTTP/2 when the function that it gives is called: there an end may go out with the head. */
function later(response, end) {
  // Frameworks ask by this whether a response was made.
  Object.defineProperty(response, "writableEnded", { value: true, configurable: true });
  return () => {
    delete response.writableEnded;
    try {
      end();
    } catch (error) {
      response.stream?.destroy(error);
    }
  };
}

module.exports = { keep };
