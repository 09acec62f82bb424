"use strict";

const { brokeOff, isWhole, peek, readElsewhere } = require("./body.cjs");
const { partsOf } = require("./fetch.cjs");

/**
 * The parts of a WHATWG request that Node's server has taken, as they came over its socket. A host may have made another
 * request of it, and looks for a route by that one: then that one counts.
 */
function taken(request, incoming, peer) {
  if (incoming?.method !== request.method || !leads(incoming.url, request.url)) return partsOf(request, peer);
  return { method: incoming.method, target: incoming.url, rawHeaders: incoming.rawHeaders, peer };
}

/** Whether a URL is what a target leads to. */
function leads(target, url) {
  const { origin } = new URL(url);
  return url === origin + target || new URL(origin + target).href === url;
}

/** The body of a request, which somebody may have read, and somebody may still read. */
async function bodyBefore(request) {
  const raw = request.raw ?? request;
  if (!raw.readableDidRead) return peek(raw);
  // Whoever has read it may have taken what came for all of it.
  if (!isWhole(raw)) throw raw.aborted ? brokeOff() : readElsewhere();
  return readBefore(request) ?? "";
}

/** The body as another middleware has read it. JSON has no infinity, and what stands in its place must be no null. */
function readBefore({ body, headers, file, files }) {
  if (file ?? files) throw readElsewhere();
  if (typeof body === "string" || Buffer.isBuffer(body)) return body;
  if (body === undefined) {
    if (headers["transfer-encoding"] === undefined && !Number(headers["content-length"])) return undefined;
    throw readElsewhere();
  }
  return JSON.stringify(body, (_name, it) => (it === Infinity || it === -Infinity || typeof it === "bigint" ? String(it) : it));
}

module.exports = { bodyBefore, readBefore, taken };
