import { Keywright } from "keywright";
import { getApiKey, guard } from "keywright/next";

const kw = (globalThis.kw ??= new Keywright("sqlite:keys.db", {
  brand: "acme",
  pepper: "pepper for tests, thirty-two bytes or more",
}));

export const dynamic = "force-dynamic";
export async function GET() {
  const { api_key } = await kw.keys.create({ name: "CI" });
  const handler = guard(kw).withApiKey((request) => new Response(getApiKey(request) ? "verified" : "refused"), []);
  return handler(new Request("http://localhost/keys", { headers: { "x-api-key": api_key } }));
}
