"use strict";

const { merge } = require("./headers.cjs");

const ADDS = Symbol.for("keywright.adds");
const HEADERS = { get: (it, name) => it.getHeader(name), set: (it, name, value) => it.setHeader(name, value) };

/**
 * Adds the headers of `request.keywright` when the response starts: a host that responds with an error drops headers that were
 * set earlier.
 */
function adding(response) {
  const shared = application(response);
  if (shared) patch(shared);
  // Another middleware may have replaced this method, on top of the one of the prototype.
  if (!shared || Object.hasOwn(response, "writeHead")) patch(response);
}

/**
 * Returns the prototype that Express gives the responses of an application, the outermost one of nested applications. An own
 * property of each response would cost microseconds.
 */
function application(response) {
  let found = null;
  let next = Object.getPrototypeOf(response);
  while (Object.hasOwn(next, "app")) [found, next] = [next, Object.getPrototypeOf(next)];
  return found;
}

function patch(it) {
  if (Object.hasOwn(it, ADDS)) return;
  const { writeHead } = it;
  it[ADDS] = true;
  it.writeHead = function (status, ...given) {
    const rest = setGiven(this, given);
    const found = this.req.keywright;
    if (found) merge(found.headers, this, HEADERS);
    return writeHead.call(this, status, ...rest);
  };
}

/** Sets the headers of a `writeHead` call over those that were set earlier, as Node does, and returns the phrase. */
function setGiven(response, [reason, more]) {
  const phrase = typeof reason === "string" ? [reason] : [];
  const headers = phrase.length ? more : (more ?? reason);
  if (Array.isArray(headers)) {
    const flat = Array.isArray(headers[0]) ? headers.flat() : headers;
    // Node throws for it.
    if (flat.length % 2) return [...phrase, headers];
    for (let at = 0; at < flat.length; at += 2) response.removeHeader(flat[at]);
    for (let at = 0; at < flat.length; at += 2) response.appendHeader(flat[at], flat[at + 1]);
  } else if (typeof headers === "object" && headers !== null) {
    for (const name of Object.keys(headers)) response.setHeader(name, headers[name]);
  }
  return phrase;
}

/** Sends a complete response. */
function send(response, method, { status, headers, body }) {
  response.statusCode = status;
  for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at], headers[at + 1]);
  if (method !== "HEAD" && status !== 204) response.setHeader("content-length", body.length);
  response.end(method === "HEAD" ? undefined : body);
}

module.exports = { adding, send, setGiven };
