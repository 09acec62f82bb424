// A host's routes of Next, for the compiler alone.

import { Keywright, type Key } from "keywright";
import { getApiKey, getCaller, guard, register, withKeywright } from "keywright/next";

const keys = guard(new Keywright("sqlite:keys.db", { brand: "liq" }), { errors: "list", peer: () => "127.0.0.1" });

interface NextRequest extends Request {
  readonly nextUrl: URL;
}
type Handler = (request: NextRequest, context: { params: Promise<{ id: string }> }) => Promise<Response>;

export const GET: Handler = keys.withApiKey(async (request, { params }: { params: Promise<{ id: string }> }) => {
  const key: Key | null = getApiKey(request);
  return Response.json({ name: key?.name, org: getCaller(request)?.org, id: (await params).id });
}, "deals:read");
export const POST: Handler = keys.withApiKey((request: NextRequest) => Response.json(request.nextUrl.pathname), [], { cost: 2 });
export const { PATCH, DELETE } = keys.management({ mount: "/manage", principal: () => ({ org: "acme", may: "keys:manage" }) });
export const config: { output: string } = withKeywright({ output: "standalone" });
register();

// @ts-expect-error: management stands under a path
keys.management({});
