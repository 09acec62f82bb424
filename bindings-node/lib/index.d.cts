import type { ManualClock } from "./testing.cjs";

// As TypeScript declares them from 5.2 on, in a library that older versions lack.
declare global {
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}

/** Scopes as a list, or as one text with commas or spaces. */
export type Scopes = string | readonly string[];
/** Data that JSON can say. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type Status = "active" | "disabled" | "expired" | "revoked";
/** `read` is GET, HEAD and OPTIONS; `read_write` adds POST, PUT and PATCH; `full` is every method. */
export type Level = "read" | "read_write" | "full";
/** Whose requests a rate limit counts together. */
export type Per = "key" | "org" | "agent";
/** Text, or a number in a database made with `idStyle: "integer"`. */
export type KeyId = string | number;

/** A rate limit as it is asked for. */
export interface LimitRule {
  /** `[a-z][a-z0-9_.-]{0,63}`; may be left out where the limit stands under its name. */
  name?: string | null | undefined;
  /** Requests a minute, 1 to 1000000000. */
  rate: number;
  /** Requests that may come at once: as many as the rate unless said. */
  burst?: number | null | undefined;
  /** `key` unless said, which is all that a key's own limits may be. */
  per?: Per | null | undefined;
  /** The class of operations that it is for: every request unless said. */
  operation?: string | null | undefined;
}
/** Up to 8 limits by their names, a number being requests a minute, or as a list of limits that have names. */
export type LimitRules =
  | { readonly [name: string]: number | LimitRule }
  | readonly (LimitRule & { name: string })[];

/** The options of `new Keywright`. */
export interface Options {
  /** What every key text begins with. */
  brand?: string | undefined;
  /** The environments there are; `["live", "test"]` unless said. */
  environments?: readonly string[] | undefined;
  /** The ones this engine accepts: the first unless said, `"*"` for all. */
  environment?: string | readonly string[] | undefined;
  /** The template of key texts; `{brand}_{env}_{lookup}_{secret}{checksum}` unless said. */
  keyFormat?: string | undefined;
  /** Older templates whose keys still verify. */
  acceptFormats?: readonly string[] | undefined;
  /** The catalogue of scopes, by name with a description or as a list. Without it any well-formed scope will do. */
  scopes?: { readonly [name: string]: string } | readonly string[] | undefined;
  /**
   * At least 32 bytes that the database does not hold; of several the first signs and all verify. Null and undefined are
   * refused, so that a variable nobody set is noticed.
   */
  pepper?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Peppers that still verify until their keys are hashed again. */
  retiredPeppers?: string | Uint8Array | readonly (string | Uint8Array)[] | null | undefined;
  /** `hmac-sha256` with a pepper, `argon2id` without, unless said. */
  hash?: "hmac-sha256" | "argon2id" | null | undefined;
  /** Schemes that still verify until their keys are hashed again. */
  retiredHashes?: string | readonly string[] | null | undefined;
  /** How ids look; fixed when the database is made. */
  idStyle?: "uuid" | "integer" | undefined;
  /** Verify only; nothing is written. */
  readOnly?: boolean | undefined;
  /** How long to wait for another writer, like `"5s"`. */
  busyTimeout?: string | undefined;
  /** How many keys are remembered, so that verifying them again asks no database: 0 to 10,000,000, 100,000 by standard. */
  keysInMemory?: number | undefined;
  /**
   * Sets of limits that keys are given by name: requests a minute, a limit, or up to 8 of them. A limit without a name has
   * the tier's.
   */
  tiers?: { readonly [name: string]: number | LimitRule | readonly (number | LimitRule)[] } | null | undefined;
  /** The limits of every key. */
  limits?: LimitRules | null | undefined;
  /** How many processes divide each limit between them, 1 to 4096; 1 unless said. */
  processes?: number | null | undefined;
  /**
   * Called with what happens to keys by this process, soon after it has: made, rotated, revoked, soon to expire, long unused,
   * a former secret used, a revoked one presented. It holds up nothing and does not keep the process alive; what it throws is
   * a warning.
   */
  onEvent?: ((event: Event) => unknown) | null | undefined;
  /** Tells each day of keys that expire within so many days, 0 to 3650; 14 unless said, 0 is never. */
  expiringDays?: number | null | undefined;
  /** Tells each day of keys that were not used for so many days, 0 to 3650; 90 unless said, 0 is never. */
  idleDays?: number | null | undefined;
  /** A clock moved by hand, for tests. */
  clock?: ManualClock | null | undefined;
}

/** The fields of a key that `create` sets and `update` changes. Null is none of it. */
export interface KeySettings {
  /** What the key is for, as free text of up to 1000 characters, which may be several lines. */
  description?: string | null | undefined;
  level?: Level | null | undefined;
  /** One of the engine's tiers, whose limits the key has. */
  tier?: string | null | undefined;
  /**
   * Limits of the key's own beside those, `per` key and named unlike the engine's. Where the engine has limits with an
   * operation, theirs is one of those. An update replaces all of them.
   */
  limits?: LimitRules | null | undefined;
  /** Addresses and networks from which the key may be used: null is no restriction, `[]` is nobody. */
  networks?: readonly string[] | null | undefined;
  metadata?: { readonly [name: string]: Json } | null | undefined;
  expires_at?: Date | null | undefined;
}

export interface CreateKey extends KeySettings {
  /** What people call it, 1 to 200 characters. */
  name: string;
  scopes?: Scopes | null | undefined;
  environment?: string | null | undefined;
  /** 1 to 36500; not together with `expires_at`. */
  expires_in_days?: number | null | undefined;
  created_by?: string | null | undefined;
}

/** What is left out stays; null clears a field of {@link KeySettings}. */
export interface UpdateKey extends KeySettings {
  name?: string | undefined;
  scopes?: Scopes | undefined;
  expires_in_days?: number | undefined;
  actor?: string | null | undefined;
}

/** Why, and who. */
export interface Change {
  reason?: string | null | undefined;
  actor?: string | null | undefined;
}

export interface RotateKey extends Change {
  /** How long the former secret still verifies: `"24h"` unless said, `0` for not at all. */
  grace?: string | 0 | null | undefined;
  /** During a grace: the newest secret dies and the former keeps its end. */
  replace_current?: boolean | null | undefined;
}

export interface Paging {
  /** 1 to 1000, 100 unless said. */
  limit?: number | null | undefined;
  /** `next_cursor` of the page before. */
  cursor?: string | null | undefined;
}

export interface ListKeys extends Paging {
  /** All but revoked keys unless said. */
  status?: Status | "all" | null | undefined;
  environment?: string | null | undefined;
  /** The exact name. */
  name?: string | null | undefined;
  /** Only keys last used, or made and never used, so many days ago or longer: 1 to 36,500. */
  idle_days?: number | null | undefined;
}

export interface ListAudit extends Paging {
  key_id?: KeyId | null | undefined;
  action?: string | null | undefined;
  /** Only what this agent claimed, or what was changed on its behalf. */
  agent?: string | null | undefined;
}

/** What an agent claims. */
export interface Attested {
  /** 1 to 128 of `A-Za-z0-9_.:-`. */
  agent: string;
  /** Up to 16 KiB of JSON, 8 levels deep. */
  claims: { readonly [name: string]: Json };
}

/** One agent with its claims, or up to 100 of both. */
export type Attest = (Attested | { attestations: readonly Attested[] }) & { actor?: string | null | undefined };

export interface UpdateOrg {
  networks?: readonly string[] | null | undefined;
  actor?: string | null | undefined;
}

/**
 * What a request needs. Scopes and environment that are left out are not judged; a key with networks is denied when
 * `ip` is left out, and a key with a level other than `full` when `method` is.
 */
export interface Request {
  scopes?: Scopes | null | undefined;
  /** The HTTP method, which a key with a level other than `full` cannot do without. */
  method?: string | null | undefined;
  /** The caller's address, which a key with networks, its own or its org's, cannot do without. */
  ip?: string | null | undefined;
  environment?: string | null | undefined;
  /** The class of the operation, for limits that count only one; one that a limit of the engine names. */
  operation?: string | null | undefined;
  /** How much of each limit it takes; 1 when left out. */
  cost?: number | null | undefined;
  /** The logical identity on whose behalf the key is used: 1 to 128 of `A-Za-z0-9_.:-`. */
  agent?: string | null | undefined;
}

/** What a caller presented. Null and undefined are `missing`; whatever is no key of ours is `invalid`. */
export type Presented = string | Uint8Array | null | undefined;

interface SecretFields<Time> {
  readonly prefix: string;
  readonly created_at: Time;
  /** From when on it no longer verifies; null for the current one. */
  readonly grace_ends_at: Time | null;
  readonly last_used_at: Time | null;
}

export interface Secret extends SecretFields<Date> {}

/** A rate limit. */
export interface Limit {
  readonly name: string;
  /** Requests a minute. */
  readonly rate: number;
  /** Requests that may come at once. */
  readonly burst: number;
  readonly per: Per;
  /** The class of operations that it is for; null is every request. */
  readonly operation: string | null;
}

interface KeyFields<Time> {
  readonly id: KeyId;
  readonly name: string;
  /** What it is for, as free text. */
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
  /** Those that still verify, newest first: the current one, and in grace the former one. */
  readonly secrets: readonly SecretFields<Time>[];
}

/** A key's fields with times as RFC 3339 text. */
export interface PlainKey extends KeyFields<string> {}

export interface Key extends KeyFields<Date> {}
export class Key {
  protected constructor();
  toJSON(): PlainKey;
}

/** A key just made or rotated, with the only copy of its text. */
export class NewKey extends Key {
  /** The text. Inspection, JSON, copies and errors do not show it. */
  get api_key(): string;
  /** Everything with the text in it, for the one response that shows it. */
  reveal(): PlainKey & { readonly api_key: string };
  toJSON(): PlainKey & { readonly api_key: string };
}

/** One page, newest first. `for await` over it goes on through the pages that follow. */
export class Page<Item> implements AsyncIterable<Item> {
  protected constructor();
  readonly data: readonly Item[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
  [Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined>;
  toJSON(): { data: object[]; has_more: boolean; next_cursor: string | null };
}

/** The promise of the first page, and the iteration over all items of all pages. Begins when awaited or iterated. */
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

/** What was counted for one agent of a key. */
export class AgentUsage {
  protected constructor();
  /** Null for all beyond the first thousand of a key. */
  readonly agent: string | null;
  readonly usage_count: number;
  readonly denied_count: number;
  readonly last_used_at: Date | null;
  toJSON(): object;
}

/** What happened to a key. Nothing in it is secret. */
export class Event {
  protected constructor();
  readonly kind:
    | "created"
    | "rotated"
    | "former_secret_used"
    | "expiring"
    | "idle"
    | "revoked"
    | "refused_after_revocation"
    | "store_failed"
    | "store_recovered";
  readonly at: Date;
  /** Null for what concerns the database. */
  readonly org: string | null;
  /** Null where every key of the org was revoked. */
  readonly key_id: KeyId | null;
  readonly name: string | null;
  readonly environment: string | null;
  /** The public part of the secret that it is about: the newest, or the one that was presented. */
  readonly prefix: string | null;
  readonly actor: string | null;
  /** Why a verification was denied. */
  readonly code: DenialCode | null;
  /** Why the database cannot be used, and what to do about it. */
  readonly reason: string | null;
  /** How often, since it was last written down; of a revocation, how many keys it ended. */
  readonly count: number;
  readonly expires_at: Date | null;
  readonly grace_ends_at: Date | null;
  readonly last_used_at: Date | null;
  /** How many events before this one were dropped, since the listener was too slow for them. */
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
  | "unavailable";

export interface LimitState {
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  readonly reset_seconds: number;
  readonly shared: boolean;
}

interface Verdict {
  readonly missing_scopes: readonly string[];
  readonly limits: readonly LimitState[];
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
  /** Only for a proved secret. */
  readonly key: Key | null;
}

/** An object, so always truthy: ask `allowed`. */
export type Decision = Allowed | Refused;

export interface Keys {
  create(fields: CreateKey): Promise<NewKey>;
  list(fields?: ListKeys): Pages<Key>;
  get(id: KeyId): Promise<Key>;
  /** By its public prefix. */
  find(prefix: string): Promise<Key>;
  update(id: KeyId, fields: UpdateKey): Promise<Key>;
  /** A new secret for the same key; the former one verifies until the end of the grace. */
  rotate(id: KeyId, fields?: RotateKey): Promise<NewKey>;
  /** Ends the former secret now. */
  endGrace(id: KeyId, fields?: Change): Promise<Key>;
  /** Final, for every secret of the key. */
  revoke(id: KeyId, fields?: Change): Promise<Key>;
  disable(id: KeyId, fields?: Change): Promise<Key>;
  enable(id: KeyId, fields?: Change): Promise<Key>;
  /**
   * What was counted for the agents that have used the key, the last used first. Up to 1000 are counted by themselves, and
   * all others together, as null.
   */
  agents(id: KeyId): Promise<readonly AgentUsage[]>;
  /**
   * Writes down what agents claim to do with the key: an audit entry of the action `agent.attest` for each, all or none.
   * `Conflict` for a revoked, expired or disabled key; no claim is judged.
   */
  attest(id: KeyId, fields: Attest): Promise<readonly AuditEntry[]>;
  /** Wipes the fields of a key that can name a person. The key must have been revoked over 30 days ago. */
  purge(id: KeyId, fields?: Change): Promise<Key>;
}

export interface Orgs {
  get(id: string): Promise<OrgRecord>;
  list(fields?: Paging): Pages<OrgRecord>;
  update(id: string, fields: UpdateOrg): Promise<OrgRecord>;
  disable(id: string, fields?: Change): Promise<OrgRecord>;
  enable(id: string, fields?: Change): Promise<OrgRecord>;
  /** Revokes every key of an org; answers how many there were. */
  revokeKeys(id: string, fields?: Change): Promise<number>;
}

export interface Audit {
  list(fields?: ListAudit): Pages<AuditEntry>;
  /** Checks the whole chain. */
  verify(): Promise<AuditCheck>;
  /** The end of the chain; kept elsewhere, it reveals that the database was replaced by an older copy. */
  head(): Promise<AuditHead>;
  /** Drops the entries before a time, leaving a checkpoint; answers how many there were. */
  prune(before: Date): Promise<number>;
}

/** What one org, or everybody, can do. */
export interface View {
  readonly keys: Keys;
  readonly audit: Audit;
  /** Judges a text. Never rejects for a bad key. */
  verify(text: Presented, request?: Request): Promise<Decision>;
  /** The key, or {@link Denied}. */
  authenticate(text: Presented, request?: Request): Promise<Key>;
}

export interface Org extends View {}

export interface Keywright extends View, AsyncDisposable {}
export class Keywright {
  /**
   * Checks the options. The database is opened by `open()` or by the first call. `url` is `sqlite:` and a path on a local disk;
   * a relative one stands in the working folder of this call.
   */
  constructor(url: string, options?: Options);
  readonly orgs: Orgs;
  open(): Promise<this>;
  /** The view of one tenant: it sees, makes and verifies only keys of its own. */
  org(id: string): Org;
  /** The one view across tenants. */
  everyOrg(): Org;
  /** What the text of a key says about itself, null when it is none of ours. Nothing is proved by it. */
  parse(text: string): Parsed | null;
  /**
   * The regular expression by which a secret scanner finds our keys: `perl`, which JavaScript reads too (unless said), or `ere`,
   * which `grep -E` reads.
   */
  keyPattern(syntax?: "perl" | "ere"): string;
  /** The text with everything of our keys' shape masked. */
  redact(text: string): string;
  /** Writes down what was counted until now; it happens by itself each second, in `close`, and at exit. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The stream, with everything of our keys' shape masked in what is written to it. What could be the first half of a key
 * (what follows the last character outside `[0-9A-Za-z_-]`) waits for the next write or the end.
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

/** What every error of this package extends. */
export class KeywrightError extends Error {
  protected constructor();
  readonly code: ErrorCode | DenialCode;
  /** The argument or option at fault, where one is. */
  readonly field: string | null;
  /** The HTTP status that goes with the code. */
  readonly status: number;
}
/** A wrong type, an unknown option, a missing argument, two options that exclude each other. */
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
/** What `authenticate` throws. */
export class Denied extends KeywrightError {
  readonly code: DenialCode;
  readonly decision: Refused;
}
