"use strict";

const { partsOf } = require("./http.cjs");

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

module.exports = { taken };
