// Compiled by `tsc --strict` against the packed package, as ESM and as CommonJS, then run.

import { strict as assert } from "node:assert";
import { Console } from "node:console";
import {
  Client,
  Denied,
  Keywright,
  KeywrightError,
  redacted,
  type Decision,
  type DenialCode,
  type Key,
  type Limit,
  type NewKey,
  type Options,
  type Page,
} from "keywright";
import { ManualClock } from "keywright/testing";

const options: Options = {
  brand: "liq",
  idStyle: "integer",
  pepper: "pepper for tests, thirty-two bytes or more",
  tiers: { basic: 100, premium: { rate: 10_000, burst: 500 }, split: [{ name: "read", rate: 100, per: "org" }] },
  limits: [{ name: "calls", rate: 1_000 }],
  limiter: "machine",
  clock: new ManualClock(new Date("2026-01-01T00:00:00.000Z")),
};

async function main(): Promise<Keywright> {
  await using kw = new Keywright("sqlite:keys.db", options);

  const made: NewKey = await kw.keys.create({
    name: "Production Integration",
    scopes: "deals:read,deals:write",
    level: undefined,
    tier: "basic",
    limits: { own: { rate: 10, burst: 2 } },
    expires_in_days: 365,
  });
  const text: string = made.api_key;
  const expires: Date | null = made.expires_at;
  assert.equal(expires?.toISOString(), made.reveal().expires_at);
  const started: Date | undefined = made.secrets[0]?.created_at;
  assert.ok(started);

  const page: Page<Key> = await kw.keys.list({ limit: 10 });
  for (const key of page.data) console.log(key.id, key.name, key.prefix, key.last_used_at);
  for await (const key of kw.keys.list()) assert.equal(key.id, made.id);
  for await (const key of page) assert.equal(key.id, made.id);

  const decision: Decision = await kw.verify(text, { scopes: ["deals:read"], method: "GET" });
  if (decision.allowed) {
    const key: Key = decision.key;
    const code: null = decision.code;
    const message: string = decision.message;
    assert.equal(typeof message, "string");
    assert.equal(key.name, made.name);
    assert.equal(code, null);
  } else {
    const code: DenialCode = decision.code;
    // @ts-expect-error: a denied request has a key only when its secret was proved
    decision.key.id;
    assert.fail(code);
  }

  try {
    await kw.authenticate(Buffer.from(text), { scopes: "deals:delete" });
    assert.fail("not denied");
  } catch (error) {
    if (!(error instanceof Denied)) throw error;
    const base: KeywrightError = error;
    const missing: readonly string[] = error.decision.missing_scopes;
    assert.deepEqual([base.code, ...missing], ["insufficient_scope", "deals:delete"]);
  }

  const count: number = await kw.orgs.revokeKeys("default", { reason: "test" });
  assert.equal(count, 1);
  assert.equal((await kw.org("default").verify(text)).code, "revoked");
  assert.equal((await kw.everyOrg().audit.verify()).ok, true);
  new Console(redacted(kw, process.stdout)).log(text);

  const own: readonly Limit[] = made.limits;
  assert.deepEqual((await kw.keys.update(made.id, { limits: own }).catch((error) => error)).code, "conflict");
  // @ts-expect-error: what a limit counts by
  await assert.rejects(kw.keys.create({ name: "CI", limits: [{ name: "x", rate: 5, per: "address" }] }));
  // @ts-expect-error: no such field
  await assert.rejects(kw.keys.create({ nmae: "CI" }));
  // @ts-expect-error: a key has a name
  await assert.rejects(kw.keys.create({}));
  // @ts-expect-error: options of the constructor are camelCase
  assert.throws(() => new Keywright("sqlite:x.db", { key_format: "x" }));
  // @ts-expect-error: records are read-only
  assert.throws(() => (made.name = "other"));
  // @ts-expect-error: a pepper that is missing is refused
  assert.throws(() => new Keywright("sqlite:x.db", { brand: "liq", pepper: undefined }));

  const client: Client = new Client({ apiKey: text, url: "http://127.0.0.1:1", retries: 0, timeout: "1m" });
  const remote: Decision = await client.verify(text, { scopes: ["deals:read"] });
  assert.equal(remote.code, "unavailable");
  const unreached: Promise<Key> = client.keys.get(made.id);
  await assert.rejects(unreached, { code: "unavailable" });
  // @ts-expect-error: the caller of the server is the actor, and no option of a call
  await assert.rejects(client.keys.revoke(made.id, { actor: "alice" }));
  await client.close();
  assert.equal(new ManualClock().now().toISOString(), "2026-01-01T00:00:00.000Z");
  return kw;
}

void main()
  .then((kw) => assert.rejects(kw.open(), { code: "closed" }))
  .then(() => console.log("done"));
