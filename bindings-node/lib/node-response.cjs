"use strict";

const { merge } = require("./http.cjs");

const FOUND = Symbol("keywright found");
const BELOW = Symbol("keywright below");
const HEADERS = { get: (it, name) => it.getHeader(name), set: (it, name, value) => it.setHeader(name, value) };

/** Adds headers when the response of Node begins, since a host that answers with an error drops what was set before. */
function adding(response, found) {
  // Behind another guard it is the last one's that are told.
  if (response[FOUND] === undefined) {
    response[BELOW] = response.writeHead;
    response.writeHead = begins;
  }
  response[FOUND] = found;
}

function begins(status, ...rest) {
  const given = rest.pop();
  if (Array.isArray(given)) for (let at = 0; at + 1 < given.length; at += 2) this.appendHeader(given[at], given[at + 1]);
  else if (typeof given === "object" && given !== null) for (const name in given) this.setHeader(name, given[name]);
  else if (given !== undefined) rest.push(given);
  merge(this[FOUND].headers, this, HEADERS);
  return this[BELOW](status, ...rest);
}

/** Answers with a whole response. */
function send(response, method, { status, headers, body }) {
  response.statusCode = status;
  for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at], headers[at + 1]);
  if (method !== "HEAD" && status !== 204) response.setHeader("content-length", body.length);
  response.end(method === "HEAD" ? undefined : body);
}

module.exports = { adding, send };
