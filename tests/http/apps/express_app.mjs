// The test app on Express.

import { createServer } from "node:http";
import express from "express";
import { guard } from "keywright/express";
import { counted, http, kw, principal, stand, told } from "./setup.mjs";

const app = express();
const keys = guard(kw, http);
app.disable("x-powered-by");
app.set("etag", false);
app.use(...(http.path ? [] : ["/manage"]), keys.management({ principal }));
// Twice: a guard behind a guard changes nothing.
app.use(keys, keys);
app.use((request, response) => {
  if (request.path === "/fail") throw Object.assign(new Error("it is a teapot"), { status: 418 });
  if (request.path === "/crash") throw new Error("it broke");
  if (request.path === "/count") return response.status(201).location("/counted").json(counted(request.originalUrl));
  if (request.path === "/own") response.set("cache-control", "private").vary("accept");
  response.json(told(request.keywright));
});
app.use((error, _request, response, next) => (error.status ? response.status(error.status).send(error.message) : next(error)));

stand(createServer({ maxHeaderSize: 16_384 }, app));
