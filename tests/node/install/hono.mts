// A host's program with Hono, for the compiler alone.

import { Hono, type Context } from "hono";
import { Keywright, type Key } from "keywright";
import { getApiKey, guard, type KeywrightEnv } from "keywright/hono";
import type { Explanation } from "keywright/http";

const kw = new Keywright("sqlite:keys.db", { brand: "liq" });
const keys = guard(kw, { errors: "list", peer: (c) => c.req.header("fly-client-ip") });

const app = new Hono<KeywrightEnv>();
app.use(keys);
app.get("/deals/:id", keys.requires(["deals:read"], { cost: 2 }), (c) => {
  const key: Key | null = getApiKey(c);
  return c.json({ name: key?.name, id: c.req.param("id"), org: c.var.keywright.org });
});
app.all("/manage/*", keys.management({ principal: async (c) => ({ org: c.req.path, may: "keys:manage" }) }));
new Hono().get("/", keys.requires(), (c) => c.json({ org: c.var.keywright.org }));
export const told: Promise<Explanation> = keys.explain({} as Context);

// @ts-expect-error: no such form
guard(kw, { errors: "xml" });
// @ts-expect-error: a principal has an org
keys.management({ principal: () => ({ actor: "alice" }) });
