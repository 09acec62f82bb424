// The test app on Hono.

import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { guard } from "keywright/hono";
import { counted, http, kw, principal, stand, told } from "./setup.mjs";

const app = new Hono();
const keys = guard(kw, http);
app.all(http.path ? "/*" : "/manage/*", keys.management({ principal }));
// Twice: a guard behind a guard changes nothing.
app.use(keys, keys);
app.all("/*", (c) => {
  if (c.req.path === "/fail") throw new HTTPException(418);
  if (c.req.path === "/crash") throw new Error("it broke");
  if (c.req.path === "/count") return c.json(counted(c.req.url), 201, { location: "/counted" });
  return c.json(told(c.var.keywright), c.req.path === "/own" ? { headers: { "cache-control": "private", vary: "accept" } } : {});
});

stand(createAdaptorServer({ fetch: app.fetch, serverOptions: { maxHeaderSize: 16_384 } }));
