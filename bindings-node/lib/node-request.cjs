"use strict";

const { types } = require("node:util");
const { Beginning, LARGEST_ONCE, brokeOff, readElsewhere } = require("./body.cjs");
const { partsOf } = require("./fetch.cjs");

/**
 * Returns the parts of a WHATWG request as they came over the socket of Node's server. If the host has made another request of
 * it and routes by that one, that one counts.
 */
function taken(request, incoming, peer) {
  if (incoming?.method !== request.method || !leads(incoming.url, request.url)) return partsOf(request, peer);
  return { method: incoming.method, target: incoming.url, rawHeaders: linesOf(incoming), peer };
}

/** Returns the header lines of a request. Adapters of serverless platforms may only have an object of headers. */
function linesOf({ rawHeaders, headers = {} }) {
  if (rawHeaders?.length > 0) return rawHeaders;
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((line) => [name, String(line)]));
}

/**
 * Returns the address of the peer of a socket, `unix:` for a Unix socket, or undefined if it is unknown. A TCP socket whose
 * client has gone may have no remote address, but keeps a local one until it is destroyed.
 */
function peerOf(socket) {
  const address = socket?.remoteAddress;
  if (address !== undefined) return address;
  return socket?.destroyed === false && socket.localAddress === undefined ? "unix:" : undefined;
}

/** Tells whether a URL belongs to a target. */
function leads(target, url) {
  const { origin } = new URL(url);
  return url === origin + target || new URL(origin + target).href === url;
}

/**
 * Returns the body of a request that a handler may still read, or that another middleware has read. Adapters of serverless
 * platforms make requests with a complete body, beside a stream or instead of it.
 */
async function bodyBefore(request) {
  const raw = request.raw ?? request;
  const given = rawBody(request);
  if (given !== undefined) return given;
  if (raw.readableDidRead === false) return peek(raw);
  // The middleware that read it may have taken a part for the whole.
  if (raw.complete === false) throw raw.aborted ? brokeOff() : readElsewhere();
  return readBefore(request) ?? "";
}

const isRaw = (body) => typeof body === "string" || types.isUint8Array(body);

/** Returns the raw body, if a middleware or the platform has kept it. */
const rawBody = ({ rawBody, body }) => [rawBody, body].find(isRaw);

/** Returns the body that another middleware has parsed. JSON has no infinity, and must not become null. */
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

/** Reads the body of a request and puts it back into the stream for the next reader. */
function peek(request) {
  if (isEmpty(request)) return Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const beginning = new Beginning(LARGEST_ONCE);
    const broken = () => settle(reject, brokeOff());
    const look = () => {
      const { readableLength } = request;
      // A stream is readable when it has data and when it has ended. A read of no data would emit `end`.
      const last = readableLength > 0 ? request.read(readableLength + 1) : "";
      // A read of more than there is succeeds only at the end, and returns the rest.
      beginning.add(last ?? request.read(readableLength));
      const isWhole = last !== null && last.length <= readableLength;
      if (!isWhole && !beginning.isFull) return;
      // An HTTP/2 stream that was reset ends like a complete one.
      if (isWhole && (request.aborted || request.stream?.closed)) return broken();
      const bytes = beginning.bytes();
      // In the same tick: the next one emits `end`, unless there is data to read.
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

/** Tells whether a body has ended and was empty. Listening for more would emit its `end` before anyone listens. */
function isEmpty({ readableLength, complete, headers, stream, httpVersionMajor }) {
  if (readableLength > 0 || Number(headers["content-length"]) > 0) return false;
  return httpVersionMajor === 2 ? stream.readableEnded && !stream.closed : complete === true;
}

/**
 * Returns the target that a router of Express gets, including its mount path. It differs from the original target if a
 * middleware has rewritten `url`.
 */
function routed({ baseUrl = "", url, originalUrl = url }) {
  const target = baseUrl + url;
  // Express writes a slash if nothing is left below a mount path.
  const isSame = target === originalUrl || baseUrl + url.slice(1) === originalUrl;
  return isSame ? { target: originalUrl, rewritten: false } : { target, rewritten: true };
}

module.exports = { bodyBefore, linesOf, peerOf, readBefore, routed, taken };
