import { createHash } from "node:crypto";

import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { SqliteDialect } from "kysely";
import Database from "libsql";

const SAMPLE = 20_000;

/**
 * better-auth's api-key plugin on a SQLite file of `count` keys, in WAL mode and FULL-sync like ours.
 * Its limits are off, since ours have none yet; it still writes `updatedAt` on every good verification.
 */
export async function peer(file, count) {
  const database = new Database(file);
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  const options = {
    database: { dialect: new SqliteDialect({ database }), type: "sqlite" },
    secret: "a secret of the benchmark, thirty-two characters or more",
    baseURL: "http://localhost:3000",
    logger: { disabled: true },
    telemetry: { enabled: false },
    plugins: [apiKey({ rateLimit: { enabled: false } })],
  };
  const migrations = await getMigrations(options);
  await migrations.runMigrations();
  const auth = betterAuth(options);
  const { adapter, internalAdapter } = await auth.$context;
  const user = await internalAdapter.createUser({ email: "bench@example.com", emailVerified: true, name: "bench" });
  const create = (name) => auth.api.createApiKey({ body: { name, userId: user.id } });

  const texts = fill(database, await create("template"), count);
  return {
    texts,
    verify: (key) => auth.api.verifyApiKey({ body: { key } }).then((answer) => answer.valid),
    refuse: (key) => auth.api.verifyApiKey({ body: { key } }).then((answer) => !answer.valid),
    create,
    list: (limit) => adapter.findMany({ model: "apikey", where: [{ field: "referenceId", value: user.id }], limit }),
    close: () => database.close(),
  };
}

/** Copies one row that the plugin made, each copy with an id and a hash of its own. */
function fill(database, template, count) {
  const row = database.prepare("SELECT * FROM apikey WHERE id = ?").get(template.id);
  delete row._metadata;
  const columns = Object.keys(row);
  const insert = database.prepare(
    `INSERT INTO apikey (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
  );
  const every = Math.max(1, Math.floor(count / SAMPLE));
  const texts = [];
  database.exec("BEGIN");
  for (let index = 0; index < count; index += 1) {
    const text = `bench${index.toString(36).padStart(8, "0")}`.padEnd(64, "x");
    const copy = { ...row, id: `id${index}`, key: createHash("sha256").update(text).digest("base64url") };
    insert.run(columns.map((column) => copy[column]));
    if (index % every === 0) texts.push(text);
  }
  database.exec("COMMIT");
  return texts;
}
