// The program that every bundler packs: it imports the package and a subpath, and verifies a key.

import { Keywright } from "keywright";
import { guard } from "keywright/express";

const kw = new Keywright("sqlite:keys.db", { brand: "acme", pepper: "pepper for tests, thirty-two bytes or more" });
const { api_key } = await kw.keys.create({ name: "CI" });
const { allowed } = await kw.verify(api_key);
await kw.close();
if (!allowed || typeof guard !== "function") throw new Error("the key was refused");
console.log("verified");
