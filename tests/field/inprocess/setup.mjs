// An engine on a new file, a key, and the questions that every program is asked.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Keywright } from "keywright";

const folder = mkdtempSync(join(tmpdir(), "keywright-"));
export const kw = new Keywright(`sqlite:${join(folder, "keys.db")}`, { brand: "acme", pepper: "p".repeat(40) });
const { api_key } = await kw.keys.create({ name: "ci", scopes: "deals:write" });
await kw.close();

/** Opens the same database anew, so that the first request has to wait for it. */
export const opened = new Keywright(`sqlite:${join(folder, "keys.db")}`, { brand: "acme", pepper: "p".repeat(40) });

/** Asks an application whose `POST /deals` answers 201 with `{"run", "told"}`: `send(headers, body)` gives status, headers, text. */
export async function checkOnce(send) {
  const ask = async (key, body, type = "application/json") => {
    const headers = { "x-api-key": api_key, "idempotency-key": key, "content-type": type };
    const { status, headers: got, text } = await send(headers, body);
    return { status, replayed: got["idempotent-replayed"] ?? null, text, id: got["x-request-id"] };
  };
  assert.equal((await send({ "content-type": "application/json" }, "{}")).status, 401);

  const first = await ask("first", '{"name":"a"}');
  assert.equal(first.status, 201, first.text);
  assert.deepEqual(JSON.parse(first.text), { run: 1, told: { name: "a" } });
  assert.match(first.id, /^[0-9a-f-]{36}$/);

  const again = await ask("first", '{"name":"a"}');
  assert.deepEqual([again.status, again.text, again.replayed], [201, first.text, "true"]);

  const other = await ask("first", '{"name":"b"}');
  assert.equal(other.status, 422, other.text);
  assert.deepEqual(JSON.parse((await ask("second", '{"name":"b"}')).text), { run: 2, told: { name: "b" } });

  const large = JSON.stringify({ name: "x".repeat(90_000) });
  assert.equal(JSON.parse((await ask("large", large)).text).told.name.length, 90_000);
  assert.equal((await ask("large", large)).status, 409);
}

/** Ends what the questions have opened. */
export const close = () => opened.close();
