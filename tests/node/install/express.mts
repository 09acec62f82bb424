// A host's program with Express, for the compiler alone.

import type { Express, Request } from "express";
import { Keywright, type Key } from "keywright";
import { getApiKey, guard } from "keywright/express";
import { Http, Needs, authenticateRequest, manageRequest, type Explanation } from "keywright/http";

declare const app: Express;
const kw = new Keywright("sqlite:keys.db", { brand: "liq" });
const keys = guard(kw, {
  trustedProxies: ["10.0.0.0/8"],
  errors: "list",
  routes: [{ method: ["GET", "POST"], path: "/deals/{id}", scopes: "deals:read", access: "either" }],
  session: { algorithm: "ES256", keyFile: "session.pem", orgClaim: "org_id" },
});

app.use(keys);
app.get("/deals", keys.requires(["deals:read"], { cost: 2 }), (request: Request, response) => {
  const key: Key | null = getApiKey(request);
  response.json({ name: key?.name, org: request.keywright?.org, who: request.keywright?.principal === "session" });
});
app.use("/manage", keys.management({ principal: async () => ({ org: "acme", actor: "alice", may: ["keys:manage"] }) }));
export const told: Promise<Explanation> = keys.explain({} as Request);

const http = new Http(kw);
export async function answer(request: globalThis.Request): Promise<Response> {
  if (request.url.includes("/manage/")) return manageRequest(http, request, { mount: "/manage" });
  const found = await authenticateRequest(http, request, { peer: "127.0.0.1", needs: Needs.of("deals:read") });
  return found.allowed ? found.finish(Response.json({ org: found.org })) : found.response;
}

// @ts-expect-error: no such form
guard(kw, { errors: "xml" });
// @ts-expect-error: options are camelCase
guard(kw, { trusted_proxies: [] });
// @ts-expect-error: a principal has an org
keys.management({ principal: () => ({ actor: "alice" }) });
