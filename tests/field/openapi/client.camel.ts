import createClient from "openapi-fetch";
import type { components, paths } from "./keys.js";

type Key = components["schemas"]["Key"];

export async function rename(id: string, name: string): Promise<Key> {
  const client = createClient<paths>({ baseUrl: "https://api.example" });
  const made = await client.POST("/keys", { body: { name: "CI", scopes: ["deals:read"], expiresInDays: 90 } });
  const text: string | null | undefined = made.data?.key;
  // @ts-expect-error The document has no such body.
  await client.POST("/keys", { body: { name: 7 } });
  const { data, error } = await client.PATCH("/keys/{id}", { params: { path: { id } }, body: { name } });
  if (!data) throw new Error(`${error?.errors[0]?.code} for ${text}`);
  const page = await client.GET("/keys", { params: { query: { limit: 10 } } });
  return page.data?.[0] ?? data;
}
