// A host's program, for the compiler alone: every subpath, in a project that may have none of the optional packages.

import { Keywright, type Decision, type Key, type NewKey } from "keywright";
import { guard as express } from "keywright/express";
import { guard as fastify } from "keywright/fastify";
import { guard as hono } from "keywright/hono";
import { Http, Needs } from "keywright/http";
import { getApiKey, tokenVerifier } from "keywright/mcp";
import { KeywrightModule } from "keywright/nest";
import { guard as next } from "keywright/next";
import { ManualClock } from "keywright/testing";

const kw = new Keywright("sqlite:keys.db", { brand: "acme", clock: new ManualClock() });

export async function name(): Promise<string> {
  const made: NewKey = await kw.keys.create({ name: "CI" });
  const decision: Decision = await kw.verify(made.api_key);
  const key: Key | null = decision.allowed ? decision.key : getApiKey({});
  await kw[Symbol.asyncDispose]();
  return key?.name ?? decision.message;
}

export const guards = [express(kw), fastify(kw), hono(kw), next(kw), tokenVerifier(kw), KeywrightModule.forRoot(kw)];
export const needs: Needs = new Http(kw, {}).needs("deals:read");

// @ts-expect-error: no such option; only real types refuse it
express(kw, { error: "xml" });
// @ts-expect-error: the same
fastify(kw, { error: "xml" });
// @ts-expect-error: the same
hono(kw, { error: "xml" });
// @ts-expect-error: the same
KeywrightModule.forRoot(kw, { error: "xml" });
