// The cases of a route with `idempotent` that every area of Node runs. Each area gives the package that it has installed.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An engine on a new file, not yet opened, so that the first request has to wait for it; and a key in it. */
export async function site({ Keywright }) {
  const url = `sqlite:${join(mkdtempSync(join(tmpdir(), "keywright-")), "keys.db")}`;
  const options = { brand: "acme", pepper: "p".repeat(40) };
  const before = new Keywright(url, options);
  const { api_key } = await before.keys.create({ name: "ci", scopes: "deals:write" });
  await before.close();
  return { kw: new Keywright(url, options), api_key };
}

/** Asks an application whose `POST /deals` answers 201 with `{"run", "told"}`: `send(headers, body)` gives status, headers, text. */
export async function checkOnce(api_key, send) {
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
