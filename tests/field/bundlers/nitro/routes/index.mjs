import { defineEventHandler } from "h3";
import { Keywright } from "keywright";
import { guard } from "keywright/express";

const kw = new Keywright("sqlite:keys.db", { brand: "acme", pepper: "pepper for tests, thirty-two bytes or more" });

export default defineEventHandler(async () => {
  const { api_key } = await kw.keys.create({ name: "CI" });
  const { allowed } = await kw.verify(api_key);
  return allowed && typeof guard === "function" ? "verified" : "refused";
});
