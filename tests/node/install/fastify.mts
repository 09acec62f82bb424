// A host's program with Fastify, for the compiler alone.

import Fastify, { type FastifyRequest } from "fastify";
import { Keywright, type Key } from "keywright";
import { getApiKey, guard } from "keywright/fastify";
import type { Explanation } from "keywright/http";

const kw = new Keywright("sqlite:keys.db", { brand: "liq" });
const keys = guard(kw, { errors: "list", default: "authenticated" });
const app = Fastify({ frameworkErrors: keys.frameworkErrors });

app.register(keys);
app.get<{ Querystring: { page: string } }>("/deals", { onRequest: keys.requires(["deals:read"], { cost: 2 }) }, async (request) => {
  const key: Key | null = getApiKey(request);
  return { name: key?.name, page: request.query.page, org: request.keywright?.org };
});
app.register(keys.management({ principal: async () => ({ org: "acme", may: "keys:manage" }) }), { prefix: "/manage" });
export const told: Promise<Explanation> = keys.explain({} as FastifyRequest);

// @ts-expect-error: no such form
guard(kw, { errors: "xml" });
// @ts-expect-error: a principal has an org
keys.management({ principal: () => ({ actor: "alice" }) });
