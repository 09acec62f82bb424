import type { Key, Keywright, PlainKey, Scopes } from "./index.cjs";

/** What a route needs of who enters it. */
export interface NeedsOptions {
  /** Scopes of a key, all of them. */
  scopes?: Scopes | undefined;
  /** The class of the operation, for limits that count only one. */
  operation?: string | undefined;
  /** How much of each limit it takes; 1 unless said. */
  cost?: number | undefined;
  /** The only environment whose keys may enter. */
  environment?: string | undefined;
  /** Who may enter; a key unless said. `"rule"`, for a guard of one route, is whoever the rule of its path lets in. */
  access?: "key" | "session" | "either" | "public" | "rule" | undefined;
  /** Whether what is sent again under one `Idempotency-Key` is done once; `"required"` refuses what has none. */
  idempotent?: boolean | "required" | undefined;
}

/** The rule of a route. The most particular one counts; where routers differ in which one a path has, all of them have to be met. */
export interface Rule extends NeedsOptions {
  /** `/deals`, `/deals/{id}`, `/files/{*rest}`. */
  path: string;
  /** One method or several, in capitals; every method unless said. GET is also HEAD. */
  method?: string | readonly string[] | undefined;
}

/** An algorithm of session tokens. `EdDSA` is the older name of `Ed25519`. */
export type SessionAlgorithm = "HS256" | "RS256" | "ES256" | "Ed25519" | "EdDSA";

/** How session tokens (JWT) are checked: `algorithm` with `key` or `keyFile`, or `jwks` or `jwksFile` with `algorithms`. */
export interface SessionOptions {
  algorithm?: SessionAlgorithm | undefined;
  /** The algorithms accepted from a JWKS, also for keys without `alg`; without this option each key must name its `alg`. */
  algorithms?: readonly SessionAlgorithm[] | undefined;
  /** A public key as PEM; for HS256 a secret of 32 bytes or more. */
  key?: string | undefined;
  /** A changed file is read again; while it cannot be read, the last good key stays in use. */
  keyFile?: string | undefined;
  /** A JWKS document (RFC 7517). Keys of other kinds or algorithms in it are skipped; a private key is refused. */
  jwks?: string | undefined;
  /** A changed file is read again; while it cannot be read, the last good keys stay in use. */
  jwksFile?: string | undefined;
  issuer?: string | undefined;
  audience?: string | undefined;
  /** The claim that holds the org; `org` unless said. */
  orgClaim?: string | undefined;
  /** The claim that names the actor; `sub` unless said. */
  actorClaim?: string | undefined;
  /** What whoever has a token may do; `keys:manage` and `audit:read` unless said. */
  may?: Scopes | undefined;
  /** The claim that says so in its place. */
  mayClaim?: string | undefined;
  /** How many seconds `exp` and `nbf` may be off, 0 to 300. */
  leewaySeconds?: number | undefined;
}

/** A field of a key that a response can show. */
export type ShownField = keyof PlainKey | "api_key";

/** The options of every adapter. */
export interface HttpOptions {
  /**
   * The request headers in which a key may come; `Authorization`, `Api-Key` and `X-API-Key` unless said. `Authorization` stands
   * for its scheme `Bearer`; `Authorization: Api-Key` names another one.
   */
  credentials?: readonly string[] | undefined;
  /** What a challenge names; `api` unless said. */
  realm?: string | undefined;
  /** The proxies whose `X-Forwarded-For` is believed: addresses, networks, and `unix:` for any program that connects to a Unix socket. */
  trustedProxies?: readonly string[] | undefined;
  /** Rules of routes. Where there are any, routes without one are refused. */
  routes?: readonly Rule[] | undefined;
  /** What becomes of a route without a rule; `deny` unless said. */
  default?: "deny" | "authenticated" | undefined;
  /** The form of a refusal; `problem` (RFC 9457) unless said. */
  errors?: "problem" | "list" | "plain" | undefined;
  /** Adds `Deprecation` and `Sunset` for a former secret. */
  deprecationHeaders?: boolean | undefined;
  /**
   * `draft` (unless said) shows every limit in `RateLimit-Policy` and `RateLimit`; `legacy` shows the limit with the fewest requests
   * left in `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds from now); or `both`.
   */
  rateLimitHeaders?: "draft" | "legacy" | "both" | undefined;
  session?: SessionOptions | undefined;
  /** Lets a key with the scope `keys:manage` manage keys that may do no more than itself. */
  keysMayManage?: boolean | undefined;
  /** Revokes, with a key, those that it has made. */
  revokeChildren?: boolean | undefined;
  /**
   * The calls under `/whoami` by which a key asks about itself or changes itself; `["show", "revoke"]` unless said. Any other
   * call is answered with 404.
   */
  selfService?: readonly ("show" | "rotate" | "revoke" | "attest")[] | undefined;
  /** Other origins whose pages may manage keys with a session of yours. */
  origins?: readonly string[] | undefined;
  /** Who answers a CORS preflight: the guard, with 204 and nothing behind it run (`answer` unless said), or a CORS layer behind it. */
  preflight?: "answer" | "pass" | undefined;
  /** Answers this proxy's questions at `/forward-auth`, below where management is mounted. */
  forwardAuth?: "nginx" | "traefik" | "caddy" | "haproxy" | "envoy" | undefined;
  /**
   * The header, like `X-Agent-Id`, in which a request may say on whose behalf it is made: 1 to 128 of `A-Za-z0-9_.:-`. It
   * goes into limits, counters and the audit, and gives no right; none is read unless said.
   */
  agentHeader?: string | undefined;
  /** Where management stands among the other routes of the API, like `/api-keys`; what it does not answer is left to the host. */
  path?: string | undefined;
  /** The path at which a proxy mounts the application and tells so in a header, which a server believes; see the guide. */
  mount?: string | undefined;
  /** Judges a path that was rewritten in front of the guard as the router gets it; refused unless said. */
  rewrites?: boolean | undefined;
  /** The names of fields, those of arguments too; `snake` unless said. */
  casing?: "snake" | "camel" | undefined;
  /** A list with what follows it, `envelope` unless said, or its items alone, up to 1,000 with a `Link`. */
  list?: "envelope" | "bare" | undefined;
  /** Where the text of a new key stands; `api_key` unless said. */
  secretField?: "api_key" | "key" | undefined;
  /** What a revocation answers: the `key` unless said, or `{"success": true}`. */
  revoked?: "key" | "success" | undefined;
  /** The fields of a key that responses show, in their order, by their names in `Key` and `api_key`; or such lists for some. */
  fields?: readonly ShownField[] | { [view in "create" | "list" | "get"]?: readonly ShownField[] | undefined } | undefined;
  /** Whether what has no value is shown as null; `present` unless said. */
  nulls?: "present" | "absent" | undefined;
  /** The status of a response that shows a new key; 201 unless said. */
  createdStatus?: 200 | 201 | undefined;
}

/** What a host's own function says of who asks: nothing for whoever it does not know. */
export interface Principal {
  org: string;
  actor?: string | undefined;
  /** `keys:read`, `keys:manage`, `audit:read`; nothing unless said. */
  may?: Scopes | undefined;
  /** An operator's, who sees and changes every org; beside `orgs:manage`. */
  every_org?: boolean | undefined;
  /**
   * Whether a cookie can be the proof, which is assumed unless said: a request with a cookie then has to say where it comes from.
   * A request that says it comes from another origin is refused either way, unless the option `origins` names that.
   */
  cookie?: boolean | undefined;
}

/** The parts of a request. */
export interface Parts {
  method: string;
  /** Path and query of which the router gets the path, still percent-encoded as they came. */
  target: string;
  /** Whether the router gets another path than the one that the client asked for. */
  rewritten?: boolean | undefined;
  /** Names and values in turn, as `IncomingMessage.rawHeaders`. */
  rawHeaders: readonly string[];
  /** The address of the socket's other end, `unix:` on a Unix socket; left out where nobody tells. */
  peer?: string | undefined;
  /** What a guard in front has found of the same request, so that it is counted once, and charged by each limit once. */
  earlier?: string | undefined;
}

/** Who makes a request. */
export interface Caller {
  readonly principal: "key" | "session" | "anyone";
  readonly key: Key | null;
  readonly org: string | null;
  /** Who the session is of. */
  readonly actor: string | null;
  /** On whose behalf it is made, where `agentHeader` names a header and it came. */
  readonly agent: string | null;
  /** The id of the exchange, for logs. */
  readonly request_id: string;
  /** What was verified and charged, for another guard behind this one: hand it on as `earlier`. */
  readonly earlier: string;
}

/** A request that may go on. */
export interface Passed extends Caller {
  readonly allowed: true;
  /** What to add to its response, names and values in turn: `vary` to what is there, others where they are not. */
  readonly headers: readonly string[];
  /** What tells that it is to be done once, for which it goes through `Http.once` with its body. */
  readonly once: object | null;
}

/** A request that nobody else does until its end is told, or for 60 seconds. */
export interface Lease {
  readonly allowed: true;
  /** Ends it with the answer that the host gives, which is kept for a repeat where its body has at most 64 KiB
   * and the answers of its caller at most 64 MiB. */
  finish(status: number, rawHeaders: readonly string[], body: string | Uint8Array): Promise<void>;
  /** Ends it without an answer: the request broke off, and may be done anew. */
  release(): Promise<void>;
}

/** A whole response, to be sent as it is. */
export interface Refused {
  readonly allowed: false;
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Why a request is let in or refused. */
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

/** What a route needs, made once for each. */
export class Needs {
  constructor(options: NeedsOptions);
  static of(scopes?: Scopes, more?: NeedsOptions): Needs;
}

/** An engine that speaks HTTP. Wrong options are refused when it is made. */
export class Http {
  constructor(kw: Keywright, options?: HttpOptions);
  /** What a route needs, as `Needs.of`; refused where nobody could meet it. */
  needs(scopes?: Scopes, more?: NeedsOptions): Needs;
  /** Judges a request by what `needs` says, or by the rule of its path. */
  authenticate(parts: Parts, needs?: Needs): Promise<Passed | Refused>;
  /** Asks, before a request is done, whether it was done before: then the answer is what it was then. */
  once(passed: Passed, body: string | Uint8Array): Promise<Lease | Refused>;
  /** Answers a management request, whose target begins where management is mounted. */
  manage(parts: Parts & { body?: string | Uint8Array | undefined }, session?: Principal | null): Promise<Refused>;
  /**
   * Which address a request has and why it is refused, by what `needs` says or by the rule of its path, with the nearest fix;
   * nothing is counted for it. Of management it knows nothing.
   */
  explain(parts: Parts, needs?: Needs): Promise<Explanation>;
  /** The management endpoints as an OpenAPI 3.1 document, which `GET /openapi.json` also answers. */
  openapi(): Promise<Record<string, unknown>>;
  /** Whether management answers a target: with the option `path` its own routes alone, else every one. */
  manages(target: string): boolean;
}

/**
 * Authenticates a `Request`; `finish` adds our headers to the response that it gets, and keeps it where the request is to be
 * done once; `release` lets it be done anew, when the handler failed.
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

/** Answers a `Request` about keys; `mount` is the path that management stands under. */
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
