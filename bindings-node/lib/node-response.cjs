"use strict";

const { merge } = require("./http.cjs");

/** Adds headers when the response of Node begins, since a host that answers with an error drops what was set before. */
function adding(response, headers) {
  const { writeHead } = response;
  response.writeHead = function (status, ...rest) {
    const given = rest.pop();
    if (Array.isArray(given)) for (let at = 0; at + 1 < given.length; at += 2) response.appendHeader(given[at], given[at + 1]);
    else if (typeof given === "object" && given !== null) for (const name in given) response.setHeader(name, given[name]);
    else if (given !== undefined) rest.push(given);
    merge(headers, { get: (name) => response.getHeader(name), set: (name, value) => response.setHeader(name, value) });
    return writeHead.call(this, status, ...rest);
  };
}

/** Answers with a whole response. */
function send(response, method, { status, headers, body }) {
  response.statusCode = status;
  for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at], headers[at + 1]);
  if (method !== "HEAD" && status !== 204) response.setHeader("content-length", body.length);
  response.end(method === "HEAD" ? undefined : body);
}

module.exports = { adding, send };
