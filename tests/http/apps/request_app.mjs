// The test app on WHATWG requests, as many frameworks have them.

import { createServer } from "node:http";
import { Http, authenticateRequest, manageRequest } from "keywright/http";
import { counted, http as options, kw, principal, stand, told } from "./setup.mjs";

const http = new Http(kw, options);

const mount = options.path ? "" : "/manage";
const isMounted = (target) => target.startsWith(`${mount}/`) || target.startsWith(`${mount}?`);

async function answer(request, target, peer) {
  if (options.path ? http.manages(target) : isMounted(target)) return manageRequest(http, request, { peer, target, principal, mount });
  // Twice: a guard behind a guard changes nothing.
  const first = await authenticateRequest(http, request, { peer, target });
  if (!first.allowed) return first.response;
  try {
    const found = await authenticateRequest(http, request, { peer, target, earlier: first.earlier });
    return await first.finish(found.allowed ? await found.finish(handled(request, target, found)) : found.response);
  } catch (error) {
    await first.release();
    throw error;
  }
}

function handled(request, target, found) {
  const path = new URL(request.url).pathname;
  if (path === "/crash") throw new Error("it broke");
  if (path === "/count") return Response.json(counted(target), { status: 201, headers: { location: "/counted" } });
  const headers = path === "/own" ? { "cache-control": "private", vary: "accept" } : {};
  const body = request.method === "HEAD" ? null : JSON.stringify(told(found));
  return new Response(body, { status: path === "/fail" ? 418 : 200, headers });
}

async function serve(incoming, outgoing) {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) headers.append(incoming.rawHeaders[at], incoming.rawHeaders[at + 1]);
  const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
  const body = hasBody ? { body: incoming, duplex: "half" } : {};
  const request = new Request(`http://host${incoming.url}`, { method: incoming.method, headers, ...body });
  const response = await answer(request, incoming.url, incoming.socket.remoteAddress);
  outgoing.writeHead(response.status, [...response.headers].flat());
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}

stand(createServer((incoming, outgoing) => serve(incoming, outgoing).catch(() => outgoing.writeHead(500).end())));
