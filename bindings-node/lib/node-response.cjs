"use strict";

const { Beginning } = require("./body.cjs");
const { merge } = require("./headers.cjs");
const { LARGEST_KEPT } = require("./once.cjs");

const ADDS = Symbol("keywright adds");
const HEADERS = { get: (it, name) => it.getHeader(name), set: (it, name, value) => it.setHeader(name, value) };

/**
 * Adds the headers of `request.keywright`, whose response of Node this is, when that begins: a host that answers with an error
 * drops what was set before.
 */
function adding(response) {
  // Express makes a prototype for each application; a property more of each response would cost microseconds.
  const prototype = Object.getPrototypeOf(response);
  if (prototype[ADDS]) return;
  if (Object.hasOwn(prototype, "app")) patch(prototype);
  // Another middleware may have put its own there, over that of the prototype as it was.
  if (Object.hasOwn(response, "writeHead") || !prototype[ADDS]) patch(response);
}

function patch(it) {
  if (Object.hasOwn(it, ADDS)) return;
  const { writeHead } = it;
  it[ADDS] = true;
  it.writeHead = function (status, ...given) {
    const more = setGiven(this, given);
    const found = this.req.keywright;
    if (found) merge(found.headers, this, HEADERS);
    return writeHead.call(this, status, ...more);
  };
}

/** Sets the headers that `writeHead` is given, and returns what else it is. */
function setGiven(response, given) {
  const rest = [...given];
  const headers = rest.pop();
  if (Array.isArray(headers)) for (let at = 0; at + 1 < headers.length; at += 2) response.appendHeader(headers[at], headers[at + 1]);
  else if (typeof headers === "object" && headers !== null) for (const name in headers) response.setHeader(name, headers[name]);
  else if (headers !== undefined) rest.push(headers);
  return rest;
}

/** Keeps what a response of Node gets as its body, and ends the lease with it before the last of it is sent. */
function keep(response, lease) {
  const { writeHead, write, end } = response;
  const beginning = new Beginning(LARGEST_KEPT);
  let headers = null;
  let ending = null;
  // As the host says them: what stands in front of it may make something else of the body, and say so as well.
  const head = () => (headers ??= Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)]));
  const note = (chunk, encoding) => {
    if (typeof chunk === "string" || chunk instanceof Uint8Array) beginning.add(chunk, encoding);
  };
  const afterwards = (how, given) => void (ending = ending.then(() => void how.apply(response, given)));
  response.writeHead = function (status, ...given) {
    const more = setGiven(this, given);
    head();
    return writeHead.call(this, status, ...more);
  };
  response.write = function (...given) {
    if (ending) return afterwards(write, given) ?? false;
    note(...given);
    return write.apply(this, given);
  };
  response.end = function (...given) {
    if (ending) return afterwards(end, given) ?? this;
    note(...given);
    // Frameworks ask by these whether a response was made.
    for (const name of ["headersSent", "writableEnded"]) Object.defineProperty(this, name, { value: true, configurable: true });
    ending = lease.finish(this.statusCode, head(), beginning.bytes()).finally(() => {
      delete this.headersSent;
      delete this.writableEnded;
      // The end of HTTP/2 writes by itself.
      Object.assign(this, { write, end });
      end.apply(this, given);
    });
    return this;
  };
}

/** Answers with a whole response. */
function send(response, method, { status, headers, body }) {
  response.statusCode = status;
  for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at], headers[at + 1]);
  if (method !== "HEAD" && status !== 204) response.setHeader("content-length", body.length);
  response.end(method === "HEAD" ? undefined : body);
}

module.exports = { adding, keep, send };
