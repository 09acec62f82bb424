// A hello route of Express, without keys or with: `hello.mjs express VARIANT FOLDER`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";
import { peer, sqlite } from "./better-auth.mjs";

const [, variant, folder] = process.argv.slice(2);
let text = readFileSync(join(folder, "key.txt"), "utf8");
const app = express();
// As many bytes of headers as the guard adds.
const HEADERS = Object.entries({ "cache-control": "no-store", vary: "authorization, api-key, x-api-key", "x-request-id": "0".repeat(36) });

if (variant === "keywright") {
  const pepper = "a pepper of the benchmark, of 32 bytes or more";
  const kw = new Keywright(`sqlite:${join(folder, "keys.db")}`, { brand: "bench", pepper });
  app.use(guard(kw, { routes: [{ path: "/hello", scopes: "deals:read" }] }));
} else if (variant === "nothing") {
  app.use((_request, response, next) => {
    for (const [name, value] of HEADERS) {
      response.setHeader(name, value);
    }
    next();
  });
} else if (variant === "better-auth") {
  const { texts, verify } = await peer(sqlite(join(folder, "better-auth.db")), 1_000);
  text = texts[0];
  app.use(async (request, response, next) => {
    const [, key] = (request.headers.authorization ?? "").split(" ");
    return (await verify(key)) ? next() : response.status(401).end();
  });
} else if (variant !== "alone") {
  throw new Error(`no variant ${variant}`);
}
app.get("/hello", (_request, response) => response.json({ hello: "world" }));

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port, text));
// Connections stay open while the other servers are asked.
server.keepAliveTimeout = 600_000;
process.stdin.resume().on("end", () => process.exit());
