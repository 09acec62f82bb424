"use strict";

const { Http, Needs, bodyOf, merge } = require("./http.cjs");

/**
 * Guards an Express application: `app.use(keys)` judges by the rules of paths, `keys.requires("deals:read")` by what one
 * route needs, `keys.management()` is to be mounted. The options are those of `Http`; wrong ones are refused here.
 */
function guard(kw, options) {
  const http = new Http(kw, options);
  const middleware = (needs) => (request, response, next) => {
    const { method, originalUrl, rawHeaders, socket } = request;
    let found;
    try {
      found = http.begin(method, originalUrl, rawHeaders, socket.remoteAddress, needs);
    } catch (error) {
      return next(error);
    }
    if (found instanceof Promise) return void found.then((it) => judged(it, request, response, next)).catch(next);
    judged(found, request, response, next);
  };
  return Object.assign(middleware(undefined), {
    requires: (scopes, more) => middleware(Needs.of(scopes, more)),
    management: ({ principal } = {}) => management(http, principal),
    explain: ({ method, originalUrl, rawHeaders, socket }) =>
      http.explain({ method, target: originalUrl, rawHeaders, peer: socket.remoteAddress }),
  });
}

function judged(found, request, response, next) {
  // A host that does not wait any longer, such as one with a time limit, has answered by itself.
  if (response.headersSent) return;
  if (!found.allowed) return send(response, request.method, found);
  request.keywright = found;
  adding(response, found.headers);
  next();
}

/** Adds headers when the response begins, since a host that answers with an error drops what was set before. */
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

function send(response, method, { status, headers, body }) {
  response.statusCode = status;
  for (let at = 0; at < headers.length; at += 2) response.setHeader(headers[at], headers[at + 1]);
  if (method !== "HEAD" && status !== 204) response.setHeader("content-length", body.length);
  response.end(method === "HEAD" ? undefined : body);
}

function management(http, principal) {
  return async (request, response, next) => {
    try {
      const session = principal ? await principal(request) : undefined;
      const { method, url, rawHeaders, socket } = request;
      const body = request.readableDidRead ? readBefore(request) : await bodyOf(request);
      const parts = { method, target: url, rawHeaders, peer: socket.remoteAddress, body };
      send(response, method, await http.manage(parts, session));
    } catch (error) {
      next(error);
    }
  };
}

/** The key of a request that was let in, null where it came without. */
function getApiKey(request) {
  return request.keywright?.key ?? null;
}

/** The body as another middleware has read it. JSON has no infinity, and what stands in its place must be no null. */
function readBefore({ body, headers }) {
  if (typeof body === "string" || Buffer.isBuffer(body)) return body;
  if (body === undefined) {
    if (headers["transfer-encoding"] === undefined && !Number(headers["content-length"])) return undefined;
    // One that is kept elsewhere must not count as none: what it said would be left out.
    throw new Error("another middleware has read the body and kept it: mount key management before it");
  }
  return JSON.stringify(body, (_name, it) => (it === Infinity || it === -Infinity ? String(it) : it));
}

module.exports = { guard, getApiKey };
