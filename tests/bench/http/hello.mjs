// A hello route of Express, without keys or with: `hello.mjs VARIANT FOLDER`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";
import { peer } from "./better-auth.mjs";

const [variant, folder] = process.argv.slice(2);
let text = readFileSync(join(folder, "key.txt"), "utf8");
const app = express();

if (variant === "express keywright") {
  const pepper = "a pepper of the benchmark, of 32 bytes or more";
  const kw = new Keywright(`sqlite:${join(folder, "keys.db")}`, { brand: "bench", pepper });
  app.use(guard(kw, { routes: [{ path: "/hello", scopes: "deals:read" }] }));
} else if (variant === "express nothing") {
  app.use((_request, response, next) => {
    for (const [name, value] of [["cache-control", "no-store"], ["vary", "authorization"], ["x-request-id", "an id"]]) {
      response.setHeader(name, value);
    }
    next();
  });
} else if (variant === "express better-auth") {
  const { texts, verify } = await peer(join(folder, "better-auth.db"), 1_000);
  text = texts[0];
  app.use(async (request, response, next) => {
    const [, key] = (request.headers.authorization ?? "").split(" ");
    return (await verify(key)) ? next() : response.status(401).end();
  });
} else if (variant !== "express") {
  throw new Error(`no variant ${variant}`);
}
app.get("/hello", (_request, response) => response.json({ hello: "world" }));

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port, text));
// The others are asked meanwhile.
server.keepAliveTimeout = 600_000;
process.stdin.resume().on("end", () => process.exit());
