import type { ManualClock } from "./testing.cjs";

// TypeScript 5.2 and later declare these themselves, in a library that older versions lack.
declare global {
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}

/** Scopes as a list, or as one text separated by commas or spaces. */
export type Scopes = string | readonly string[];
/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type Status = "active" | "disabled" | "expired" | "revoked";
/** `read` is GET, HEAD and OPTIONS; `read_write` adds POST, PUT and PATCH; `full` is every method. */
export type Level = "read" | "read_write" | "full";
/** The requests that a rate limit counts together: those of a key, an org or an agent. */
export type Per = "key" | "org" | "agent";
/**
 * The answer when the place of shared limits cannot be reached: this process enforces the limit on its own, the request is
 * `unavailable`, or it passes uncounted.
 */
export type WhenUnreachable = "local" | "refuse" | "allow";
/** Text, or a number in a database made with `idStyle: "integer"`. */
export type KeyId = string | number;

/** A rate limit as an option. */
export interface LimitRule {
  /** `[a-z][a-z0-9_.-]{0,63}`. Optional for a limit in an object, whose property name it takes. */
  name?: string | null | undefined;
  /** Requests per minute, 1 to 1000000000. */
  rate: number;
  /** Requests allowed at once; the rate by default. */
  burst?: number | null | undefined;
  /** `key` by default, and always for the limits of a key. */
  per?: Per | null | undefined;
  /** The class of operations that the limit counts; every request by default. */
  operation?: string | null | undefined;
  /** Whether processes of several machines buy each request of its own, at a round trip each; false by default. */
  exact?: boolean | null | undefined;
  /** The answer when the place of shared limits cannot be reached; `local` by default. */
  when_unreachable?: WhenUnreachable | null | undefined;
}
/** Up to 8 limits by name, where a number means requests per minute, or a list of named limits. */
export type LimitRules =
  | { readonly [name: string]: number | LimitRule }
  | readonly (LimitRule & { name: string })[];

/** A quota as an option: requests in a calendar period, or a balance. */
export interface QuotaRule {
  /** `[a-z][a-z0-9_.-]{0,63}`. Optional for a quota in an object, whose property name it takes. */
  name?: string | null | undefined;
  /** Requests in each period, 1 to 999999999999999. For a balance, the requests that it begins with, from 0. */
  amount: number;
  /** The period in UTC. Without it the quota is a balance, which only `keys.credit` raises. */
  every?: Every | null | undefined;
  /** The day of the month on which a month begins; 1 by default. A shorter month begins on its last day. */
  anchor?: number | null | undefined;
  /** `key` by default, and always for the quotas of a key. */
  per?: "key" | "org" | null | undefined;
  /** The class of operations that the quota counts; every request by default. */
  operation?: string | null | undefined;
}
/** Up to 8 quotas by name, or a list of named quotas. */
export type QuotaRules = { readonly [name: string]: QuotaRule } | readonly (QuotaRule & { name: string })[];
/** The period of a quota, in UTC; a week begins on Monday. */
export type Every = "hour" | "day" | "week" | "month";

/** The type of an event that webhooks carry. */
export type WebhookEvent =
  | "key.created"
  | "key.imported"
  | "key.updated"
  | "key.rotated"
  | "key.grace_ended"
  | "key.credited"
  | "key.disabled"
  | "key.enabled"
  | "key.revoked"
  | "key.purged"
  | "org.created"
  | "org.updated"
  | "org.disabled"
  | "org.enabled"
  | "org.keys_revoked";

/** An endpoint of webhooks. */
export interface Webhook {
  /** `https://…`, or `http://…` on this machine. */
  url: string;
  /** `whsec_` and the base64 of 24 to 64 random bytes, or up to 4 of them, which all sign. */
  secret: string | readonly string[];
  /** All by default. */
  events?: readonly WebhookEvent[] | null | undefined;
}

/** The options of `new Keywright`. */
export interface Options {
  /** The prefix of every key. */
  brand?: string | undefined;
  /** All environments; `["live", "test"]` by default. */
  environments?: readonly string[] | undefined;
  /** The environments that this engine accepts: the first by default, `"*"` for all. */
  environment?: string | readonly string[] | undefined;
  /** The format of new keys; `{brand}_{env}_{lookup}_{secret}{checksum}` by default. */
  keyFormat?: string | undefined;
  /** Older formats whose keys still verify. */
  acceptFormats?: readonly string[] | undefined;
  /** The scopes of the product, as an object of descriptions or as a list. Without it, any well-formed scope is accepted. */
  scopes?: { readonly [name: string]: string } | readonly string[] | undefined;
  /**
   * A secret of at least 32 bytes outside the database, or a list of them: the first signs, all verify. Null and undefined
   * throw, so that an environment variable that is not set does not go unnoticed.
   */
  pepper?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Peppers that still verify. Their keys are rehashed with the first pepper on their next use. */
  retiredPeppers?: string | Uint8Array | readonly (string | Uint8Array)[] | null | undefined;
  /** `hmac-sha256` by default with a pepper, `argon2id` by default without one. */
  hash?: "hmac-sha256" | "argon2id" | null | undefined;
  /** Schemes that still verify. Their keys are rehashed with the current scheme on their next use. */
  retiredHashes?: string | readonly string[] | null | undefined;
  /** The form of key ids. It cannot change once the database exists. */
  idStyle?: "uuid" | "integer" | undefined;
  /** Verifies and lists, and writes nothing. */
  readOnly?: boolean | undefined;
  /** The longest wait for another writer, like `"5s"`. */
  busyTimeout?: string | undefined;
  /**
   * On PostgreSQL: how long a verification may miss a change on another machine, like "2s", "0s" to "1h"; 2 seconds when left
   * out. With "0s" every verification asks the database.
   */
  maxStaleness?: string | undefined;
  /** The number of keys cached in memory, which verify without the database: 0 to 10,000,000, 100,000 by default. */
  keysInMemory?: number | undefined;
  /**
   * Named sets of limits and quotas for keys: requests per minute, a limit, a quota, or a list of up to 8 limits and 8 quotas.
   * One without a name takes the name of its tier.
   */
  tiers?:
    | { readonly [name: string]: number | LimitRule | QuotaRule | readonly (number | LimitRule | QuotaRule)[] }
    | null
    | undefined;
  /** The limits of every key. */
  limits?: LimitRules | null | undefined;
  /** The quotas of every key, which the database counts. */
  quotas?: QuotaRules | null | undefined;
  /**
   * Where limits are counted: `"machine"`, together with all processes of this machine on the SQLite file; `"store"`, together
   * with all processes of all machines on the PostgreSQL database; the URL of a Redis or Valkey, `"redis://…"`, together with all
   * processes that name it; or `"process"`, each process on its own. By default `"machine"` on SQLite and `"store"` on PostgreSQL.
   */
  limiter?: "process" | "machine" | "store" | (string & {}) | null | undefined;
  /**
   * Receives each event of this process shortly after it: a key was created, rotated or revoked, expires soon, was long unused,
   * a former secret was used, a revoked one was presented. It blocks nothing and does not keep the process alive. An exception
   * in it becomes a warning.
   */
  onEvent?: ((event: Event) => unknown) | null | undefined;
  /** Reports daily the keys that expire within this many days, 0 to 3650; 14 by default, 0 reports none. */
  expiringDays?: number | null | undefined;
  /** Reports daily the keys that were unused for this many days, 0 to 3650; 90 by default, 0 reports none. */
  idleDays?: number | null | undefined;
  /** Endpoints that receive each change, signed as Standard Webhooks says, up to 16. */
  webhooks?: readonly Webhook[] | null | undefined;
  /** A manual clock, for tests. */
  clock?: ManualClock | null | undefined;
}

/** The fields of a key that `create` sets and `update` changes. Null means no value. */
export interface KeySettings {
  /** The purpose of the key: free text of up to 1000 characters, on one or more lines. */
  description?: string | null | undefined;
  level?: Level | null | undefined;
  /** A tier of the engine, whose limits and quotas apply to the key. */
  tier?: string | null | undefined;
  /**
   * Further limits of the key alone. Their names differ from those of the engine's limits. If the engine has limits with an
   * operation, the operation of each is one of those. An update replaces all of them.
   */
  limits?: LimitRules | null | undefined;
  /** Further quotas of the key alone, under the same conditions. An update replaces all of them. */
  quotas?: QuotaRules | null | undefined;
  /** The networks that may use the key: no restriction for null, none for `[]`. */
  networks?: readonly string[] | null | undefined;
  metadata?: { readonly [name: string]: Json } | null | undefined;
  expires_at?: Date | null | undefined;
}

export interface CreateKey extends KeySettings {
  /** A display name, 1 to 200 characters. */
  name: string;
  scopes?: Scopes | null | undefined;
  environment?: string | null | undefined;
  /** 1 to 36500. Excludes `expires_at`. */
  expires_in_days?: number | null | undefined;
  created_by?: string | null | undefined;
}

/** An absent field stays as it is; null clears a field of {@link KeySettings}. */
export interface UpdateKey extends KeySettings {
  name?: string | undefined;
  scopes?: Scopes | undefined;
  expires_in_days?: number | undefined;
  actor?: string | null | undefined;
}

/** The reason and the actor of a change. */
export interface Change {
  reason?: string | null | undefined;
  actor?: string | null | undefined;
}

export interface RotateKey extends Change {
  /** How long the former secret still verifies: `"24h"` by default, `0` for not at all. */
  grace?: string | 0 | null | undefined;
  /** During a grace: ends the newest secret now, while the former one keeps its end. */
  replace_current?: boolean | null | undefined;
}

export interface Paging {
  /** 1 to 1000, 100 by default. */
  limit?: number | null | undefined;
  /** `next_cursor` of the previous page. */
  cursor?: string | null | undefined;
}

export interface ListKeys extends Paging {
  /** All but revoked keys by default. */
  status?: Status | "all" | null | undefined;
  environment?: string | null | undefined;
  /** The exact name. */
  name?: string | null | undefined;
  /** Only keys that were last used, or created and never used, at least this many days ago: 1 to 36,500. */
  idle_days?: number | null | undefined;
}

export interface ListAudit extends Paging {
  key_id?: KeyId | null | undefined;
  action?: string | null | undefined;
  /** Only claims of this agent, and changes on its behalf. */
  agent?: string | null | undefined;
}

/** An agent and its claims. */
export interface Attested {
  /** 1 to 128 of `A-Za-z0-9_.:-`. */
  agent: string;
  /** Up to 16 KiB of JSON, 8 levels deep. */
  claims: { readonly [name: string]: Json };
}

/** One agent with its claims, or a list of up to 100. */
export type Attest = (Attested | { attestations: readonly Attested[] }) & { actor?: string | null | undefined };

/** A key that another product has issued. */
export interface HashedKey extends KeySettings {
  /** A display name, 1 to 200 characters. */
  name: string;
  /** What the product has stored of the secret. The guide lists the forms. */
  verifier: string;
  /** The part of the text that `{lookup}` stands for. */
  lookup?: string | null | undefined;
  /** The first characters of a text that is found by its digest, which become the prefix. */
  start?: string | null | undefined;
  /** The id that the key had, in place of a new one. */
  id?: KeyId | null | undefined;
  /** On the handle of every org. */
  org?: string | null | undefined;
  scopes?: Scopes | null | undefined;
  environment?: string | null | undefined;
  created_by?: string | null | undefined;
  created_at?: Date | null | undefined;
  disabled_at?: Date | null | undefined;
  revoked_at?: Date | null | undefined;
  reason?: string | null | undefined;
  last_used_at?: Date | null | undefined;
  usage_count?: number | null | undefined;
}

/** Up to 1000 keys of one format. */
export interface HashedImport {
  keys: readonly HashedKey[];
  /**
   * `djangorestframework-api-key`, `better-auth`, `sanctum`, `unkey`, `prefixed-api-key`, `bcrypt`, or a template such as
   * `acme_{lookup:8}_{secret}`.
   */
  format: string;
  /** The fixed start of the texts of a named format that has one. */
  start?: string | null | undefined;
  /** With a template, what the product has hashed: the whole text, or the secret. */
  hashed?: "text" | "secret" | null | undefined;
  /** Whether to report what would be imported, and write nothing. */
  dry_run?: boolean | null | undefined;
  /** Whether to import the other keys if some are refused, and report these. */
  skip_refused?: boolean | null | undefined;
  actor?: string | null | undefined;
}

/** The requests to add to a balance. */
export interface Credit extends Change {
  /** 1 to 999999999999999. */
  amount: number;
  /** The name of the balance; by default the only one of the key. */
  quota?: string | null | undefined;
}

export interface UpdateOrg {
  networks?: readonly string[] | null | undefined;
  actor?: string | null | undefined;
}

/**
 * The needs of a request. Without scopes or environment, those are not checked. Without `ip`, a key with networks is denied.
 * Without `method`, a key with a level other than `full` is denied.
 */
export interface Request {
  scopes?: Scopes | null | undefined;
  /** The HTTP method, in capitals. A key with a level other than `full` requires it. */
  method?: string | null | undefined;
  /** The client's address. A key with networks, of its own or of its org, requires it. */
  ip?: string | null | undefined;
  environment?: string | null | undefined;
  /** The class of the request, for limits that count only one class; one that a limit of the engine names. */
  operation?: string | null | undefined;
  /** How much of each limit the request takes; 1 by default. */
  cost?: number | null | undefined;
  /** The logical identity on whose behalf the key is used: 1 to 128 of `A-Za-z0-9_.:-`. */
  agent?: string | null | undefined;
}

/** The credential of a request. Null and undefined give `missing`; text of another shape gives `invalid`. */
export type Presented = string | Uint8Array | null | undefined;

interface SecretFields<Time> {
  readonly prefix: string;
  readonly created_at: Time;
  /** The end of its grace, after which it no longer verifies; null for the current secret. */
  readonly grace_ends_at: Time | null;
  readonly last_used_at: Time | null;
}

export interface Secret extends SecretFields<Date> {}

/** A rate limit. */
export interface Limit {
  readonly name: string;
  /** Requests per minute. */
  readonly rate: number;
  /** Requests allowed at once. */
  readonly burst: number;
  readonly per: Per;
  /** The class of operations that the limit counts; null for every request. */
  readonly operation: string | null;
  /** Whether processes of several machines buy each request of its own. */
  readonly exact: boolean;
  readonly when_unreachable: WhenUnreachable;
}

/** A quota. */
export interface Quota {
  readonly name: string;
  /** Requests in each period; for a balance, the requests that it begins with. */
  readonly amount: number;
  /** Null for a balance. */
  readonly every: Every | null;
  /** The day of the month on which a month begins; null for the first. */
  readonly anchor: number | null;
  readonly per: "key" | "org";
  /** The class of operations that the quota counts; null for every request. */
  readonly operation: string | null;
}

interface KeyFields<Time> {
  readonly id: KeyId;
  readonly name: string;
  /** The purpose of the key, as free text. */
  readonly description: string | null;
  readonly org: string;
  readonly environment: string;
  /** The public part of the current secret's text, safe to log. */
  readonly prefix: string;
  readonly status: Status;
  readonly scopes: readonly string[];
  readonly level: Level | null;
  readonly tier: string | null;
  readonly limits: readonly Limit[];
  readonly quotas: readonly Quota[];
  readonly networks: readonly string[] | null;
  readonly metadata: { readonly [name: string]: Json };
  readonly created_at: Time;
  readonly created_by: string | null;
  readonly updated_at: Time;
  readonly expires_at: Time | null;
  readonly disabled_at: Time | null;
  readonly revoked_at: Time | null;
  readonly reason: string | null;
  readonly last_used_at: Time | null;
  readonly usage_count: number;
  readonly denied_count: number;
  /** The secrets that still verify, newest first: the current one and, during its grace, the former one. */
  readonly secrets: readonly SecretFields<Time>[];
}

/** A key's fields with times as RFC 3339 text. */
export interface PlainKey extends KeyFields<string> {}

export interface Key extends KeyFields<Date> {}
export class Key {
  protected constructor();
  toJSON(): PlainKey;
}

/** A key that was just created or rotated, with the only copy of its text. */
export class NewKey extends Key {
  /** The text of the key. Inspection, JSON, copies and errors do not show it. */
  get api_key(): string;
  /** Returns all fields and the text, for the one response that shows it. */
  reveal(): PlainKey & { readonly api_key: string };
  toJSON(): PlainKey & { readonly api_key: string };
}

/** One page, newest first. `for await` covers this page and all that follow. */
export class Page<Item> implements AsyncIterable<Item> {
  protected constructor();
  readonly data: readonly Item[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined>;
  toJSON(): { data: object[]; has_more: boolean; next_cursor: string | null };
}

/** A promise of the first page that also iterates over the items of all pages. It starts when it is awaited or iterated. */
export type Pages<Item> = Promise<Page<Item>> & AsyncIterable<Item>;

export class OrgRecord {
  protected constructor();
  readonly id: string;
  readonly status: "active" | "disabled";
  readonly networks: readonly string[] | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly disabled_at: Date | null;
  readonly reason: string | null;
  toJSON(): object;
}

export class AuditEntry {
  protected constructor();
  readonly seq: number;
  readonly at: Date;
  readonly org: string | null;
  readonly actor: string | null;
  readonly action: string;
  readonly target: string | null;
  readonly reason: string | null;
  readonly details: { readonly [name: string]: Json };
  readonly hash: string;
  toJSON(): object;
}

/** The counters of one agent of a key. */
export class AgentUsage {
  protected constructor();
  /** Null for all agents after the first thousand of a key. */
  readonly agent: string | null;
  readonly usage_count: number;
  readonly denied_count: number;
  readonly last_used_at: Date | null;
  toJSON(): object;
}

/** The outcome of an import. */
export class ImportReport {
  protected constructor();
  /** In the order in which the keys were given. */
  readonly data: readonly ImportedKey[];
  /** Of a dry run, how many would be imported. */
  readonly imported: number;
  /** How many were there already. */
  readonly existing: number;
  readonly refused: number;
  toJSON(): object;
}

/** The outcome of the import of one key. */
export interface ImportedKey {
  /** The place of the key in the call, from 0. */
  readonly index: number;
  /** Null for a refused key, and for a new key of a dry run. */
  readonly id: KeyId | null;
  readonly outcome: "imported" | "existing" | "refused";
  /**
   * Of a key that was there already, the times of the import by which it has ended, or ends sooner, than the one that is there. They were
   * not applied.
   */
  readonly not_applied: readonly ("revoked_at" | "disabled_at" | "expires_at")[];
  /** Why the key was refused. */
  readonly error: { readonly code: string; readonly field: string | null; readonly message: string } | null;
}

/** An event of a key or of the database. It contains no secret. */
export class Event {
  protected constructor();
  readonly kind:
    | "created"
    | "rotated"
    | "former_secret_used"
    | "expiring"
    | "idle"
    | "credited"
    | "revoked"
    | "refused_after_revocation"
    | "store_failed"
    | "store_recovered"
    | "store_replaced"
    | "limits_unshared"
    | "provider_failed"
    | "provider_recovered"
    | "webhook_disabled";
  readonly at: Date;
  /** Null for an event of the database. */
  readonly org: string | null;
  /** Null if every key of the org was revoked. */
  readonly key_id: KeyId | null;
  readonly name: string | null;
  readonly environment: string | null;
  /** The public part of the secret: the newest one, or the one that was presented. */
  readonly prefix: string | null;
  readonly actor: string | null;
  /** The code of a denied verification. */
  readonly code: DenialCode | null;
  /** Why the database, another server or a webhook endpoint cannot be used, or which other database answers, and the fix. */
  readonly reason: string | null;
  /** The number of occurrences since the last flush; for a revocation, the number of revoked keys. */
  readonly count: number;
  readonly expires_at: Date | null;
  readonly grace_ends_at: Date | null;
  readonly last_used_at: Date | null;
  /** The number of events dropped before this one because the listener was too slow. */
  readonly lost: number;
  toJSON(): object;
}

export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

export interface AuditCheck {
  readonly ok: boolean;
  readonly checked: number;
  readonly first_seq: number | null;
  readonly last_seq: number | null;
  readonly problem: string | null;
}

export interface Parsed {
  readonly environment: string;
  readonly prefix: string;
  readonly lookup: string;
}

export type DenialCode =
  | "missing"
  | "invalid"
  | "revoked"
  | "expired"
  | "disabled"
  | "wrong_environment"
  | "method_not_allowed"
  | "insufficient_scope"
  | "ip_not_allowed"
  | "rate_limited"
  | "quota_exceeded"
  | "unavailable";

export interface LimitState {
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  readonly reset_seconds: number;
  readonly shared: boolean;
}

/** The state of a quota. */
export interface QuotaState {
  readonly name: string;
  /** Requests in each period; for a balance, all that it was ever given. */
  readonly amount: number;
  /** Requests that were counted, up to the last time that this process asked the database. */
  readonly used: number;
  /** Requests that are left. */
  readonly remaining: number;
  /** Null for a balance, like all that follow. */
  readonly every: Every | null;
  /** The start of the present period. */
  readonly starts_at: Date | null;
  /** The start of the next period, when the count begins anew. */
  readonly resets_at: Date | null;
  readonly reset_seconds: number | null;
  toJSON(): object;
}

interface Verdict {
  readonly missing_scopes: readonly string[];
  readonly limits: readonly LimitState[];
  /** The quotas that apply to the request, as far as this process knows their counts. */
  readonly quotas: readonly QuotaState[];
  readonly retry_after_seconds: number | null;
  /** Whether a former secret in grace was used. */
  readonly deprecated: boolean;
  readonly grace_ends_at: Date | null;
  readonly agent: string | null;
  toJSON(): object;
}

export interface Allowed extends Verdict {
  readonly allowed: true;
  readonly code: null;
  readonly message: string;
  readonly status: 200;
  readonly key: Key;
}

export interface Refused extends Verdict {
  readonly allowed: false;
  readonly code: DenialCode;
  readonly message: string;
  readonly status: 401 | 403 | 429 | 503;
  /** Null unless the secret was proved. */
  readonly key: Key | null;
}

/** The outcome of a verification. An object is always truthy, so read `allowed`. */
export type Decision = Allowed | Refused;

export interface Keys {
  create(fields: CreateKey): Promise<NewKey>;
  list(fields?: ListKeys): Pages<Key>;
  get(id: KeyId): Promise<Key>;
  /** Finds a key by its public prefix. */
  find(prefix: string): Promise<Key>;
  update(id: KeyId, fields: UpdateKey): Promise<Key>;
  /** Gives the key a new secret. The former one verifies until its grace ends. */
  rotate(id: KeyId, fields?: RotateKey): Promise<NewKey>;
  /** Ends the former secret now. */
  endGrace(id: KeyId, fields?: Change): Promise<Key>;
  /** Revokes the key with all its secrets, for ever. */
  revoke(id: KeyId, fields?: Change): Promise<Key>;
  disable(id: KeyId, fields?: Change): Promise<Key>;
  enable(id: KeyId, fields?: Change): Promise<Key>;
  /**
   * Returns the counters of the agents that have used the key, the most recent first. The first 1000 agents have counters of
   * their own; all others share one, as null.
   */
  agents(id: KeyId): Promise<readonly AgentUsage[]>;
  /**
   * Raises a balance that the key draws on, its own or its org's, and returns its state. Other processes admit requests by it
   * after a second at most. Throws `Conflict` for a revoked key.
   */
  credit(id: KeyId, fields: Credit): Promise<QuotaState>;
  /**
   * Records what agents claim to do with the key: one audit entry of the action `agent.attest` each, all or none. The claims
   * are not checked. Throws `Conflict` for a revoked, expired or disabled key.
   */
  attest(id: KeyId, fields: Attest): Promise<readonly AuditEntry[]>;
  /**
   * Imports keys that another product has issued. They keep their texts: a verification compares a text with what the product
   * has stored, and the first one that succeeds replaces that by a hash of this engine. All keys of a call are written together,
   * or none: the error names a field like `keys[17].verifier`. A key that is there already stays as it is.
   */
  importHashed(fields: HashedImport): Promise<ImportReport>;
  /** Wipes the fields of a key that can name a person. The key must have been revoked over 30 days ago. */
  purge(id: KeyId, fields?: Change): Promise<Key>;
}

export interface Orgs {
  get(id: string): Promise<OrgRecord>;
  list(fields?: Paging): Pages<OrgRecord>;
  update(id: string, fields: UpdateOrg): Promise<OrgRecord>;
  disable(id: string, fields?: Change): Promise<OrgRecord>;
  enable(id: string, fields?: Change): Promise<OrgRecord>;
  /** Revokes every key of an org. Returns their number. */
  revokeKeys(id: string, fields?: Change): Promise<number>;
}

export interface Audit {
  list(fields?: ListAudit): Pages<AuditEntry>;
  /** Checks the whole chain. */
  verify(): Promise<AuditCheck>;
  /** Returns the end of the chain. Kept elsewhere, it reveals that the database was replaced by an older copy. */
  head(): Promise<AuditHead>;
  /** Removes the entries before a time and leaves a checkpoint. Returns their number. */
  prune(before: Date): Promise<number>;
}

/** The calls that one org, or every org, has. */
export interface View {
  readonly keys: Keys;
  readonly audit: Audit;
  /** Verifies the text of a key. Never rejects for a bad key. */
  verify(text: Presented, request?: Request): Promise<Decision>;
  /** Verifies and returns the key. Throws {@link Denied} for a denied key. */
  authenticate(text: Presented, request?: Request): Promise<Key>;
}

export interface Org extends View {}

export interface Keywright extends View, AsyncDisposable {}
export class Keywright {
  /**
   * Checks the options. `open()` or the first call opens the database. `url` is `sqlite:` and a path on a local disk; a relative
   * path starts in the working directory of this call.
   */
  constructor(url: string, options?: Options);
  readonly orgs: Orgs;
  open(): Promise<this>;
  /** Returns a handle for one org. It sees, creates and verifies only the keys of this org. */
  org(id: string): Org;
  /** Returns the only handle across orgs. */
  everyOrg(): Org;
  /** Parses the text of a key; null for text of another shape. This proves nothing about the key. */
  parse(text: string): Parsed | null;
  /**
   * Returns the regular expression of these keys for secret scanners: `perl` (the default), which JavaScript reads too, or
   * `ere`, which `grep -E` reads.
   */
  keyPattern(syntax?: "perl" | "ere"): string;
  /**
   * Masks everything in a text that has the shape of these keys, or of imported ones if these have a fixed start or fixed lengths. A database
   * that is there knows of these: the first text opens it, and waits for it up to two seconds.
   */
  redact(text: string): string;
  /** Writes the counters to the database. This also happens every second, in `close`, and at exit. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The options of `new Client`. */
export interface ClientOptions {
  /** The address of the server; `KEYWRIGHT_SERVER_URL`, or else `http://127.0.0.1:8787`, when left out. */
  url?: string | undefined;
  /**
   * A key with `keys:manage` or `keys:verify`, or a session token. Null and undefined throw, so that an environment variable that is
   * not set does not go unnoticed.
   */
  apiKey?: string;
  /** How long one attempt may take, to the end of its answer; `"10s"` by default. */
  timeout?: string | undefined;
  /** How often a request is sent again, 0 to 10; 2 by default. Pauses are random, and follow `Retry-After` up to 30 seconds. */
  retries?: number | undefined;
  /**
   * How long `verify` may repeat a decision that allowed a key, from the moment at which it was asked for, like `"2s"`. A revocation is
   * noticed after this time. Decisions that count against a limit are never repeated, and `usage_count` counts only requests
   * to the server. Without it each verification asks the server.
   */
  maxStaleness?: string | null | undefined;
  /** A `fetch` with settings of its own, such as certificates. */
  fetch?: typeof fetch | undefined;
}

type WithoutActor<Fields> = Fields extends unknown ? Omit<Fields, "actor"> : never;
type RemoteChange = WithoutActor<Change>;

/** The keys of the caller's org. The caller is the actor of each change. */
export interface RemoteKeys {
  /** Creates a key. Throws `Conflict` with the id of the key if the server made it, and its text was lost with the connection. */
  create(fields: Omit<CreateKey, "created_by">): Promise<NewKey>;
  list(fields?: ListKeys): Pages<Key>;
  get(id: KeyId): Promise<Key>;
  update(id: KeyId, fields: WithoutActor<UpdateKey>): Promise<Key>;
  /** Gives the key a new secret. The former one verifies until its grace ends. */
  rotate(id: KeyId, fields?: WithoutActor<RotateKey>): Promise<NewKey>;
  /** Ends the former secret now. */
  endGrace(id: KeyId, fields?: RemoteChange): Promise<Key>;
  /** Revokes the key with all its secrets, for ever. */
  revoke(id: KeyId, fields?: RemoteChange): Promise<Key>;
  disable(id: KeyId, fields?: RemoteChange): Promise<Key>;
  enable(id: KeyId, fields?: RemoteChange): Promise<Key>;
  agents(id: KeyId): Promise<readonly AgentUsage[]>;
  attest(id: KeyId, fields: WithoutActor<Attest>): Promise<readonly AuditEntry[]>;
  /** Raises a balance that the key draws on. */
  credit(id: KeyId, fields: WithoutActor<Credit>): Promise<QuotaState>;
}

/** The orgs, for a session that may manage all of them. */
export interface RemoteOrgs {
  get(id: string): Promise<OrgRecord>;
  list(fields?: Paging): Pages<OrgRecord>;
  update(id: string, fields: WithoutActor<UpdateOrg>): Promise<OrgRecord>;
  disable(id: string, fields?: RemoteChange): Promise<OrgRecord>;
  enable(id: string, fields?: RemoteChange): Promise<OrgRecord>;
  /** Revokes every key of an org. Returns their number. */
  revokeKeys(id: string, fields?: RemoteChange): Promise<number>;
}

/** Verification by a server. */
export interface RemoteVerifier {
  /**
   * Verifies the text of a key. When the server cannot be asked, the code is `unavailable`. Throws `Forbidden` if the server refuses the
   * client's own key.
   */
  verify(text: Presented, request?: Request): Promise<Decision>;
  /** Verifies and returns the key. Throws {@link Denied} for a denied key. */
  authenticate(text: Presented, request?: Request): Promise<Key>;
}

/**
 * A server of keys: the calls of an engine, over HTTP. A request that got no answer is sent again if that is safe: a read, a
 * change with an idempotency key, which the client makes, or a request that the server has not run.
 */
export interface Client extends RemoteVerifier, AsyncDisposable {}
export class Client {
  constructor(options?: ClientOptions);
  constructor(url: string, options?: Omit<ClientOptions, "url">);
  readonly keys: RemoteKeys;
  readonly orgs: RemoteOrgs;
  readonly audit: { list(fields?: ListAudit): Pages<AuditEntry> };
  /** Returns a handle that verifies only the keys of this org. */
  org(id: string): RemoteVerifier;
  /** Refuses further calls. */
  close(): Promise<void>;
}

/**
 * Wraps a stream and masks everything written to it as `kw.redact` does. Text that may be the start of a key (after the last
 * character outside `[0-9A-Za-z_.|~+/=:-]`) waits for the next write or the end.
 */
export function redacted<Stream extends { write: Function }>(kw: Keywright, stream: Stream): Stream;

export type ErrorCode =
  | "invalid_request"
  | "validation_failed"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "in_progress"
  | "idempotency_mismatch"
  | "unavailable"
  | "closed";

/** Base class of all errors of this package. */
export class KeywrightError extends Error {
  protected constructor();
  readonly code: ErrorCode | DenialCode;
  /** The argument or option at fault, if there is one. */
  readonly field: string | null;
  /** The HTTP status that goes with the code. */
  readonly status: number;
}
/** A wrong type, an unknown option, a missing argument, or two options that exclude each other. */
export class InvalidRequest extends KeywrightError {}
/** The right type with a value that is not allowed. */
export class ValidationFailed extends KeywrightError {}
export class Forbidden extends KeywrightError {}
export class NotFound extends KeywrightError {}
export class Conflict extends KeywrightError {}
export class InProgress extends KeywrightError {}
export class IdempotencyMismatch extends KeywrightError {}
/** The store could not answer. Nothing was changed. */
export class Unavailable extends KeywrightError {}
/** Use after `close`. */
export class Closed extends KeywrightError {}
/** Thrown by `authenticate` for a denied key. */
export class Denied extends KeywrightError {
  readonly code: DenialCode;
  readonly decision: Refused;
}
