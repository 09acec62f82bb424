// The test app on Fastify.

import Fastify from "fastify";
import { guard } from "keywright/fastify";
import { counted, http, kw, principal, stand, told } from "./setup.mjs";

const keys = guard(kw, http);
const app = Fastify({ http: { maxHeaderSize: 16_384 }, frameworkErrors: keys.frameworkErrors });
app.addHttpMethod("PURGE");
if (http.path) app.register(keys.management({ principal }));
// Twice: a guard behind a guard changes nothing.
app.register(keys);
app.register(keys);
if (!http.path) app.register(keys.management({ principal }), { prefix: "/manage" });
app.all("/*", async (request, reply) => {
  const path = request.url.split("?")[0];
  if (path === "/fail") throw Object.assign(new Error("it is a teapot"), { statusCode: 418 });
  if (path === "/crash") throw new Error("it broke");
  if (path === "/count") return reply.code(201).header("location", "/counted").send(counted(request.url));
  if (path === "/own") reply.headers({ "cache-control": "private", vary: "accept" });
  return told(request.keywright);
});

await app.ready();
stand(app.server);
