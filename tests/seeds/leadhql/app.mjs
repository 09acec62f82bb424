// LeadHQL on Express: keys at /api-keys with a session alone, every other route with a session or a key.

import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";

const [url, pepper, sessionKey] = process.argv.slice(2);
const kw = new Keywright(url, { pepper, keyFormat: "leadhql_pk_{lookup:12}{secret:32}{checksum:6}" });
const keys = guard(kw, {
  credentials: ["Authorization"],
  session: { algorithm: "HS256", key: sessionKey },
  routes: [{ path: "/{*rest}", access: "either" }],
  path: "/api-keys",
  casing: "camel",
  list: "bare",
  secretField: "key",
  revoked: "success",
  fields: {
    create: ["id", "name", "api_key", "status", "created_at", "expires_at"],
    list: ["id", "name", "status", "created_at", "last_used_at", "usage_count", "expires_at"],
  },
});

const app = express();
app.use(keys.management(), keys);
app.get(["/properties/stats/counts", "/agents", "/search"], (request, response) => response.json({ org: request.keywright.org }));

const server = app.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
process.stdin.resume().on("end", async () => {
  await kw.close();
  process.exit();
});
