"use strict";

const { types } = require("node:util");
const { Beginning, LARGEST_ONCE, brokeOff, readElsewhere } = require("./body.cjs");
const { partsOf } = require("./fetch.cjs");

/**
 * The parts of a WHATWG request that Node's server has taken, as they came over its socket. A host may have made another
 * request of it, and looks for a route by that one: then that one counts.
 */
function taken(request, incoming, peer) {
  if (incoming?.method !== request.method || !leads(incoming.url, request.url)) return partsOf(request, peer);
  return { method: incoming.method, target: incoming.url, rawHeaders: linesOf(incoming), peer };
}

/** The header lines of a request, which adapters of serverless platforms may give as an object alone. */
function linesOf({ rawHeaders, headers = {} }) {
  if (rawHeaders?.length > 0) return rawHeaders;
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((line) => [name, String(line)]));
}

/**
 * The other end of a socket: its address, `unix:` for a Unix socket, undefined where nobody tells. A TCP socket whose client
 * has gone may have no remote address, but keeps a local one until it is destroyed.
 */
function peerOf(socket) {
  const address = socket?.remoteAddress;
  if (address !== undefined) return address;
  return socket?.destroyed === false && socket.localAddress === undefined ? "unix:" : undefined;
}

/** Whether a URL is what a target leads to. */
function leads(target, url) {
  const { origin } = new URL(url);
  return url === origin + target || new URL(origin + target).href === url;
}

/**
 * The body of a request that a handler may still read, or that another middleware has read. Adapters of serverless platforms
 * make requests that have a body from the beginning, beside a stream or in place of it.
 */
async function bodyBefore(request) {
  const raw = request.raw ?? request;
  const given = rawBody(request);
  if (given !== undefined) return given;
  if (raw.readableDidRead === false) return peek(raw);
  // The middleware that has read it may have taken what came for all of it.
  if (raw.complete === false) throw raw.aborted ? brokeOff() : readElsewhere();
  return readBefore(request) ?? "";
}

const isRaw = (body) => typeof body === "string" || types.isUint8Array(body);

/** The body as it came, where a middleware or the platform has kept it. */
const rawBody = ({ rawBody, body }) => [rawBody, body].find(isRaw);

/** The body as another middleware has read it. JSON has no infinity, and what stands in its place must be no null. */
function readBefore(request) {
  const { body, headers, file, files } = request;
  if (file ?? files) throw readElsewhere();
  const given = rawBody(request);
  if (given !== undefined) return given;
  if (body === undefined) {
    if (headers["transfer-encoding"] === undefined && !Number(headers["content-length"])) return undefined;
    throw readElsewhere();
  }
  return JSON.stringify(body, (_name, it) => (it === Infinity || it === -Infinity || typeof it === "bigint" ? String(it) : it));
}

/** Reads the body of a request, and puts it back into the stream for its next reader. */
function peek(request) {
  if (isEmpty(request)) return Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const beginning = new Beginning(LARGEST_ONCE);
    const broken = () => settle(reject, brokeOff());
    const look = () => {
      const { readableLength } = request;
      // A stream says that it is readable when it has more, or nothing more. A read of nothing would emit its `end`.
      const last = readableLength > 0 ? request.read(readableLength + 1) : "";
      // More than there is comes at the end alone, and is then the rest.
      beginning.add(last ?? request.read(readableLength));
      const isWhole = last !== null && last.length <= readableLength;
      if (!isWhole && !beginning.isFull) return;
      // A stream of HTTP/2 that was reset ends as if it were whole.
      if (isWhole && (request.aborted || request.stream?.closed)) return broken();
      const bytes = beginning.bytes();
      // In the same tick: `end` is emitted in the next one, unless there is something to read.
      if (bytes.length > 0) request.unshift(bytes);
      settle(resolve, bytes);
    };
    function settle(how, outcome) {
      request.off("readable", look).off("close", broken).off("error", broken);
      how(outcome);
    }
    request.on("readable", look).on("close", broken).on("error", broken);
  });
}

/** Whether a body has come to its end, and had nothing in it: to listen for more would have its `end` emitted to nobody. */
function isEmpty({ readableLength, complete, headers, stream, httpVersionMajor }) {
  if (readableLength > 0 || Number(headers["content-length"]) > 0) return false;
  return httpVersionMajor === 2 ? stream.readableEnded && !stream.closed : complete === true;
}

/**
 * The target that a router of Express gets, whole where it is mounted. It differs from what came where something in front has
 * written another into `url`.
 */
function routed({ baseUrl = "", url, originalUrl = url }) {
  const target = baseUrl + url;
  // Where nothing is left below a mount, Express writes a slash.
  const isSame = target === originalUrl || baseUrl + url.slice(1) === originalUrl;
  return isSame ? { target: originalUrl, rewritten: false } : { target, rewritten: true };
}

module.exports = { bodyBefore, linesOf, peerOf, readBefore, routed, taken };
