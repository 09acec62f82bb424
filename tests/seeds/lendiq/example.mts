// LendIQ's snippets in TypeScript, as its document has them, on an engine in place of the remote client.

import { Keywright } from "keywright";

const [url, pepper] = process.argv.slice(2) as [string, string];
const client = new Keywright(url, { pepper, keyFormat: "liq_{env}_{lookup:12}_{secret:32}{checksum:6}", idStyle: "integer" });

const newKey = await client.keys.create({
  name: "Production Integration",
  scopes: "deals:read,deals:write,documents:write",
  expires_in_days: 365,
});

console.log(newKey.api_key);     // "liq_live_..." — only shown once
console.log(newKey.id);
console.log(newKey.expires_at);

// List all API keys
const keys = await client.keys.list();
for (const key of keys.data) {
  console.log(key.id, key.name, key.prefix, key.last_used_at);
}

// Revoke a key
await client.keys.revoke(456);

await client.close();
