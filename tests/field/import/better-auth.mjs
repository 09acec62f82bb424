// Issues keys with better-auth's plugin, and exports its table: `better-auth.mjs FOLDER`.
import { writeFileSync } from "node:fs";

import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { SqliteDialect } from "kysely";
import Database from "libsql";

const folder = process.argv[2];
const database = new Database(`${folder}/better-auth.db`);
const options = {
  database: { dialect: new SqliteDialect({ database }), type: "sqlite" },
  secret: "a secret of these tests, thirty-two characters or more",
  baseURL: "http://localhost:3000",
  logger: { disabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ enableMetadata: true })],
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const { internalAdapter } = await auth.$context;
const user = await internalAdapter.createUser({ email: "field@example.com", emailVerified: true, name: "field" });

const texts = [];
async function issue(body, code = "allowed", scopes = []) {
  const created = await auth.api.createApiKey({ body: { userId: user.id, ...body } });
  texts.push({ text: created.key, code, scopes });
  return created;
}

await issue({});
await issue({ name: "for a year", expiresIn: 365 * 24 * 60 * 60 });
await issue({ name: "prefixed", prefix: "acme_", metadata: { plan: "pro", seats: 7 } });
await issue({ name: "files", permissions: { files: ["read", "write"], users: ["read"] } }, "allowed", ["files:read", "files:write", "users:read"]);
const disabled = await issue({ name: "disabled" }, "disabled");
await auth.api.updateApiKey({ body: { keyId: disabled.id, userId: user.id, enabled: false } });
const used = await issue({ name: "used" });
const verified = await auth.api.verifyApiKey({ body: { key: used.key } });
if (!verified.valid) throw new Error("better-auth refuses its own key");

const rows = database.prepare("SELECT * FROM apikey").all().map(({ _metadata, ...row }) => row);
const columns = Object.keys(rows[0]);
const quoted = (value) => (value === null ? "" : `"${String(value).replaceAll('"', '""')}"`);
const csv = [columns, ...rows.map((row) => columns.map((name) => row[name]))].map((row) => row.map(quoted).join(","));
writeFileSync(`${folder}/better-auth-table.csv`, `${csv.join("\n")}\n`);
writeFileSync(`${folder}/better-auth-table.jsonl`, `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`);
for (const file of ["table.csv", "table.jsonl"]) {
  writeFileSync(`${folder}/better-auth-${file}.texts`, texts.map((text) => `${JSON.stringify(text)}\n`).join(""));
}
database.close();
