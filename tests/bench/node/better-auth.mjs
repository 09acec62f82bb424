import { createHash } from "node:crypto";

import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { PostgresDialect, SqliteDialect } from "kysely";
import Database from "libsql";
import pg from "pg";

const SAMPLE = 20_000;

const plain = (index) => `bench${index.toString().padStart(8, "0")}`.padEnd(64, "x");

/** A SQLite file, in WAL mode and FULL-sync like ours. */
export function sqlite(file) {
  const database = new Database(file);
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  return {
    options: { dialect: new SqliteDialect({ database }), type: "sqlite" },
    close: () => database.close(),
    /** Copies one row that the plugin made, each copy with an id and a hash of its own. */
    fill: (template, count) => {
      const row = database.prepare("SELECT * FROM apikey WHERE id = ?").get(template.id);
      delete row._metadata;
      const columns = Object.keys(row);
      const insert = database.prepare(
        `INSERT INTO apikey (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
      );
      database.exec("BEGIN");
      for (let index = 0; index < count; index += 1) {
        const copy = { ...row, id: `id${index}`, key: createHash("sha256").update(plain(index)).digest("base64url") };
        insert.run(columns.map((column) => copy[column]));
      }
      database.exec("COMMIT");
    },
  };
}

/** A database of the server that the environment names. */
export function postgres(database) {
  const pool = new pg.Pool({ database });
  return {
    options: { dialect: new PostgresDialect({ pool }), type: "postgres" },
    close: () => pool.end(),
    fill: async (template, count) => {
      const found = await pool.query("SELECT column_name FROM information_schema.columns WHERE table_name = 'apikey'");
      const replaced = { id: "'id' || n", key: "rtrim(translate(encode(sha256(convert_to(text, 'UTF8')), 'base64'), '+/', '-_'), '=')" };
      const columns = found.rows.map((row) => row.column_name);
      const quoted = columns.map((name) => `"${name}"`).join(", ");
      const values = columns.map((name) => replaced[name] ?? `"${name}"`).join(", ");
      await pool.query(
        `INSERT INTO apikey (${quoted}) SELECT ${values} FROM apikey AS template, generate_series(0, $2::bigint - 1) AS n, ` +
          "LATERAL (SELECT rpad('bench' || lpad(n::text, 8, '0'), 64, 'x') AS text) AS t WHERE template.id = $1",
        [template.id, count],
      );
      await pool.query("ANALYZE apikey");
    },
  };
}

/**
 * better-auth's api-key plugin on a database of `count` keys.
 * Its limits are off, since ours have none yet; it still writes `updatedAt` on every good verification.
 */
export async function peer(database, count) {
  const options = {
    database: database.options,
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

  await database.fill(await create("template"), count);
  const every = Math.max(1, Math.floor(count / SAMPLE));
  return {
    texts: Array.from({ length: Math.ceil(count / every) }, (_, at) => plain(at * every)),
    verify: (key) => auth.api.verifyApiKey({ body: { key } }).then((answer) => answer.valid),
    refuse: (key) => auth.api.verifyApiKey({ body: { key } }).then((answer) => !answer.valid),
    create,
    list: (limit) => adapter.findMany({ model: "apikey", where: [{ field: "referenceId", value: user.id }], limit }),
    close: () => database.close(),
  };
}
