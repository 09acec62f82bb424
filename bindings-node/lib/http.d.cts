import type { Key, Keywright, PlainKey, Scopes } from "./index.cjs";

/** The needs of a route. */
export interface NeedsOptions {
  /** The scopes that a key must have, all of them. */
  scopes?: Scopes | undefined;
  /** The class of the operation, for limits that count only one class. */
  operation?: string | undefined;
  /** How much of each limit a request takes; 1 by default. */
  cost?: number | undefined;
  /** The only environment whose keys are accepted. */
  environment?: string | undefined;
  /** The accepted callers; a key by default. `"rule"`, for a guard of one route, applies the rule of its path. */
  access?: "key" | "session" | "either" | "public" | "rule" | undefined;
  /** Whether requests with the same `Idempotency-Key` run once; `"required"` refuses a request without one. */
  idempotent?: boolean | "required" | undefined;
}

/** The rule of a route. The most specific rule applies. If routers differ in which rule a path has, all of them apply. */
export interface Rule extends NeedsOptions {
  /** `/deals`, `/deals/{id}`, `/files/{*rest}`. */
  path: string;
  /** One method or several, in capitals; every method by default. GET includes HEAD. */
  method?: string | readonly string[] | undefined;
}

/** An algorithm of session tokens. `EdDSA` is the older name of `Ed25519`. */
export type SessionAlgorithm = "HS256" | "RS256" | "ES256" | "Ed25519" | "EdDSA";

/**
 * The check of session tokens (JWT): `algorithm` with `key` or `keyFile`, or `jwks`, `jwksFile`, `jwksUrl` or `issuer` alone with
 * `algorithms`.
 */
export interface SessionOptions {
  algorithm?: SessionAlgorithm | undefined;
  /** The algorithms accepted from a JWKS, also for keys without `alg`; without this option each key must name its `alg`. */
  algorithms?: readonly SessionAlgorithm[] | undefined;
  /** A public key as PEM; for HS256 a secret of 32 bytes or more. */
  key?: string | undefined;
  /** A changed file is read again. While it cannot be read, the last good key stays in use. */
  keyFile?: string | undefined;
  /** A JWKS document (RFC 7517). Keys of other kinds or algorithms in it are skipped; a private key is refused. */
  jwks?: string | undefined;
  /** A changed file is read again. While it cannot be read, the last good keys stay in use. */
  jwksFile?: string | undefined;
  /** The address of a JWKS document, which is fetched with the first token and kept current. */
  jwksUrl?: string | undefined;
  /** The only accepted `iss`. Without a key of any kind, it is a provider whose discovery leads to its keys. */
  issuer?: string | undefined;
  /** How long the last keys that were fetched stay in use while the provider does not answer, up to `"7d"`; `"24h"` by default. */
  maxOutage?: string | undefined;
  audience?: string | undefined;
  /** The claim with the org; `org` by default. */
  orgClaim?: string | undefined;
  /** The claim with the actor; `sub` by default. */
  actorClaim?: string | undefined;
  /** The permissions of every token; `keys:manage` and `audit:read` by default. */
  may?: Scopes | undefined;
  /** The claim with the permissions, instead of `may`. */
  mayClaim?: string | undefined;
  /** The tolerance for `exp` and `nbf` in seconds, 0 to 300. */
  leewaySeconds?: number | undefined;
}

/** A field of a key in responses. */
export type ShownField = keyof PlainKey | "api_key";

/** The options of every adapter. */
export interface HttpOptions {
  /**
   * The request headers that may carry a key; `Authorization`, `Api-Key` and `X-API-Key` by default. `Authorization` means its
   * scheme `Bearer`; `Authorization: Api-Key` names another scheme.
   */
  credentials?: readonly string[] | undefined;
  /** The realm of a challenge; `api` by default. */
  realm?: string | undefined;
  /** The proxies whose `X-Forwarded-For` is trusted: addresses, networks, and `unix:` for any program that connects to a Unix socket. */
  trustedProxies?: readonly string[] | undefined;
  /** The rules of routes. If there are any, a route without a rule is refused. */
  routes?: readonly Rule[] | undefined;
  /** The rule of any other route; `deny` by default. */
  default?: "deny" | "authenticated" | undefined;
  /** The format of errors; `problem` (RFC 9457) by default. */
  errors?: "problem" | "list" | "plain" | undefined;
  /** Adds `Deprecation` and `Sunset` headers for a former secret. */
  deprecationHeaders?: boolean | undefined;
  /**
   * `draft` (the default) shows every limit in `RateLimit-Policy` and `RateLimit`; `legacy` shows the limit with the fewest requests
   * left in `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds from now); or `both`.
   */
  rateLimitHeaders?: "draft" | "legacy" | "both" | undefined;
  session?: SessionOptions | undefined;
  /** Lets a key with the scope `keys:manage` manage keys that have no more rights than itself. */
  keysMayManage?: boolean | undefined;
  /** Revoking a key also revokes the keys that it has created. */
  revokeChildren?: boolean | undefined;
  /**
   * The calls under `/whoami` by which a key reads or changes itself; `["show", "revoke"]` by default. Any other call gets 404.
   */
  selfService?: readonly ("show" | "rotate" | "revoke" | "attest")[] | undefined;
  /** Other origins whose pages may manage keys with a session. */
  origins?: readonly string[] | undefined;
  /** Whether the guard answers a CORS preflight with 204 (`answer`, the default) or passes it to a CORS layer behind it. */
  preflight?: "answer" | "pass" | undefined;
  /** Serves the forward authentication of this proxy at `/forward-auth`, below the path of management. */
  forwardAuth?: "nginx" | "traefik" | "caddy" | "haproxy" | "envoy" | undefined;
  /**
   * The header, like `X-Agent-Id`, that names the agent of a request: 1 to 128 of `A-Za-z0-9_.:-`. Limits, counters and the audit
   * use it; it grants no rights. No header is read by default.
   */
  agentHeader?: string | undefined;
  /** The path of management among the other routes of the API, like `/api-keys`. Other requests are left to the host. */
  path?: string | undefined;
  /** The path at which a proxy mounts the application. The proxy sends it in a header that the server trusts; see the guide. */
  mount?: string | undefined;
  /** Accepts a path that was rewritten in front of the guard, and applies the rules to the new path. Refused by default. */
  rewrites?: boolean | undefined;
  /** The casing of field names in requests and responses; `snake` by default. */
  casing?: "snake" | "camel" | undefined;
  /** The format of a list: an object with a cursor, `envelope` by default, or the items alone, up to 1,000 with a `Link`. */
  list?: "envelope" | "bare" | undefined;
  /** The field with the text of a new key; `api_key` by default. */
  secretField?: "api_key" | "key" | undefined;
  /** The response of a revocation: the `key` by default, or `{"success": true}`. */
  revoked?: "key" | "success" | undefined;
  /** The fields of a key in responses, in order, by their names in `Key` and `api_key`; or one list for each kind of response. */
  fields?: readonly ShownField[] | { [view in "create" | "list" | "get"]?: readonly ShownField[] | undefined } | undefined;
  /** Whether fields without a value are null or absent; `present` by default. */
  nulls?: "present" | "absent" | undefined;
  /** The status of a response with a new key; 201 by default. */
  createdStatus?: 200 | 201 | undefined;
}

/** The session that the host's own function returns; nothing for an unknown caller. */
export interface Principal {
  org: string;
  actor?: string | undefined;
  /** `keys:read`, `keys:manage`, `audit:read`; nothing by default. */
  may?: Scopes | undefined;
  /** An operator's session, which sees and changes every org; beside `orgs:manage`. */
  every_org?: boolean | undefined;
  /**
   * Whether a cookie can carry the session; true by default. A request with a cookie must then name its origin. A request from
   * another origin is refused in either case, unless the option `origins` names that origin.
   */
  cookie?: boolean | undefined;
}

/** The parts of a request. */
export interface Parts {
  method: string;
  /** Path and query, percent-encoded as the client sent them, with the path that the router gets. */
  target: string;
  /** Whether the router gets another path than the client sent. */
  rewritten?: boolean | undefined;
  /** Names and values in turn, as `IncomingMessage.rawHeaders`. */
  rawHeaders: readonly string[];
  /** The address of the peer, `unix:` on a Unix socket, absent if it is unknown. */
  peer?: string | undefined;
  /** The result of an earlier guard for the same request, so that counters and limits count it once. */
  earlier?: string | undefined;
}

/** The caller of a request. */
export interface Caller {
  readonly principal: "key" | "session" | "anyone";
  readonly key: Key | null;
  readonly org: string | null;
  /** The actor of the session. */
  readonly actor: string | null;
  /** The agent on whose behalf the request is made, if the header that `agentHeader` names is present. */
  readonly agent: string | null;
  /** The request id, for logs. */
  readonly request_id: string;
  /** The verification and its charges, for a later guard: pass it on as `earlier`. */
  readonly earlier: string;
}

/** A request that the contract lets through. */
export interface AuthContext extends Caller {
  readonly allowed: true;
  /** The headers of its response, names and values in turn. Append `vary` to an existing one; add any other only if it is absent. */
  readonly headers: readonly string[];
  /** Not null for an idempotent request: call `Http.once` with its body before handling it. */
  readonly once: object | null;
}

/** The exclusive right to handle an idempotent request, until `finish` or `release`, at most for 60 seconds. */
export interface Lease {
  readonly allowed: true;
  /** Ends the lease with the response of the host. It is stored for a repeat if its body has at most 64 KiB and the stored
   * responses of its caller at most 64 MiB. */
  finish(status: number, rawHeaders: readonly string[], body: string | Uint8Array): Promise<void>;
  /** Ends the lease without a response: the request broke off and may run again. */
  release(): Promise<void>;
}

/** A complete response. */
export interface Refused {
  readonly allowed: false;
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** The explanation of a pass or a refusal. */
export interface Explanation {
  readonly allowed: boolean;
  readonly status: number;
  readonly code: string | null;
  readonly message: string;
  readonly address: string | null;
  readonly address_from: "peer" | "forwarded" | "unknown";
  readonly credential: string | null;
  readonly prefix: string | null;
  readonly rule: string | null;
  readonly fix: string | null;
}

/** The needs of a route, made once per route. */
export class Needs {
  constructor(options: NeedsOptions);
  static of(scopes?: Scopes, more?: NeedsOptions): Needs;
}

/** The HTTP contract of an engine. The constructor throws for wrong options. */
export class Http {
  constructor(kw: Keywright, options?: HttpOptions);
  /** Makes the needs of a route, like `Needs.of`. Throws if no request could meet them. */
  needs(scopes?: Scopes, more?: NeedsOptions): Needs;
  /** Authenticates a request by `needs`, or by the rule of its path. */
  authenticate(parts: Parts, needs?: Needs): Promise<AuthContext | Refused>;
  /** Starts an idempotent request: returns a lease, or the stored response of the same request. */
  once(context: AuthContext, body: string | Uint8Array): Promise<Lease | Refused>;
  /** Handles a management request. The target is relative to the path of management. */
  manage(parts: Parts & { body?: string | Uint8Array | undefined }, session?: Principal | null): Promise<Refused>;
  /**
   * Explains the address of a request and why it is refused, by `needs` or by the rule of its path, with the nearest fix. Counts
   * nothing. It does not cover management.
   */
  explain(parts: Parts, needs?: Needs): Promise<Explanation>;
  /** Returns the OpenAPI 3.1 document of the management endpoints, which `GET /openapi.json` also serves. */
  openapi(): Promise<Record<string, unknown>>;
  /** Tells whether management serves a target: with the option `path` only its own routes, else every one. */
  manages(target: string): boolean;
}

/**
 * Authenticates a `Request`. `finish` adds the headers of the contract to the response and stores that of an idempotent request;
 * `release` lets the request run again after the handler failed.
 */
export function authenticateRequest(
  http: Http,
  request: Request,
  options?: {
    peer?: string | undefined;
    needs?: Needs | undefined;
    target?: string | undefined;
    earlier?: string | undefined;
  },
): Promise<({ allowed: true; finish(response: Response): Promise<Response>; release(): Promise<void> } & Caller) | { allowed: false; response: Response }>;

/** Serves management for a `Request`; `mount` is the path of management. */
export function manageRequest(
  http: Http,
  request: Request,
  options?: {
    peer?: string | undefined;
    target?: string | undefined;
    mount?: string | undefined;
    earlier?: string | undefined;
    principal?: ((request: Request) => Principal | null | undefined | Promise<Principal | null | undefined>) | undefined;
  },
): Promise<Response>;
