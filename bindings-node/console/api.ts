// The requests to the management endpoints, with the session of the page.
import type { Key } from "./key.js";
import { type Caller, type Casing, type Fields, type ListedKeys, type Scope, casingOf, plain, readCaller, readKey, readPage, readScopes, spell } from "./spelling.js";
import { Trouble, refusalOf } from "./trouble.js";

export type HeaderSource = HeadersInit | (() => HeadersInit | Promise<HeadersInit>);

/** Where management is, and what the host adds to each request. */
export interface Connection {
  /** Where keys are, and what stands beside them: `/manage/keys` and `/manage`, or `/api-keys` for both. */
  keys: string;
  beside: string;
  headers: HeaderSource | null;
  fetch: typeof fetch | null;
}

export interface ListFilter {
  status: string;
  environment: string;
}

interface Answer {
  body: unknown;
  headers: Headers;
}

/** Milliseconds. A server that takes longer counts as one that gives no answer. */
const PATIENCE = 30_000;
/** Characters. The longest page of keys, each with all the metadata that it may have, is shorter. */
const LONGEST = 1 << 25;

export class Api {
  readonly connection: Connection;
  readonly #signedOut: () => void;
  #isSignedOut = false;
  #casing: Casing | null = null;

  /** `signedOut` hears once that the session has ended. */
  constructor(connection: Connection, signedOut: () => void) {
    this.connection = connection;
    this.#signedOut = signedOut;
  }

  keyUrl(id: Key["id"], action = ""): string {
    return `${this.connection.keys}/${encodeURIComponent(String(id))}${action && `/${action}`}`;
  }

  async list(filter: ListFilter, cursor: string | null, limit: number, signal: AbortSignal): Promise<ListedKeys> {
    const query = new URLSearchParams({ limit: String(limit) });
    for (const [name, value] of Object.entries({ ...filter, cursor })) if (value) query.set(name, value);
    const { body, headers } = await this.#ask("GET", `${this.connection.keys}?${query}`, { signal });
    return understood(readPage(body, headers.get("link")));
  }

  async get(id: Key["id"]): Promise<Key> {
    return this.#key(await this.#ask("GET", this.keyUrl(id)));
  }

  /** The caller; null where the host does not let that be asked. */
  async whoami(signal: AbortSignal): Promise<Caller | null> {
    try {
      return understood(readCaller((await this.#ask("GET", `${this.connection.beside}/whoami`, { signal })).body));
    } catch (error) {
      if (error instanceof Trouble && error.kind === "missing") return null;
      throw error;
    }
  }

  async scopes(): Promise<Scope[]> {
    return readScopes((await this.#ask("GET", `${this.connection.beside}/scopes`)).body);
  }

  /** The body of a change, which is sent again byte for byte when its answer is lost. */
  async body(fields: Fields): Promise<string> {
    return spell(fields, await this.#spelling());
  }

  /** Sends a POST that management does once for each idempotency key. */
  async once(url: string, body: string, idempotencyKey: string): Promise<unknown> {
    return (await this.#ask("POST", url, { body, idempotencyKey })).body;
  }

  async update(id: Key["id"], fields: Fields): Promise<Key> {
    return this.#key(await this.#ask("PATCH", this.keyUrl(id), { body: await this.body(fields) }));
  }

  /** Ends a grace, disables or enables a key. */
  async change(id: Key["id"], action: "end-grace" | "disable" | "enable"): Promise<Key> {
    return this.#key(await this.#ask("POST", this.keyUrl(id, action), { body: "{}" }));
  }

  /** Revokes a key, and tells how it is now; null where the host's answer tells only that it was done. */
  async revoke(id: Key["id"]): Promise<Key | null> {
    const { body } = await this.#ask("DELETE", this.keyUrl(id));
    const key = readKey(body);
    if (!key && plain(body)?.["success"] !== true) throw new Trouble("foreign");
    return key;
  }

  #key(answer: Answer): Key {
    return understood(readKey(answer.body));
  }

  /** Answers tell it; the OpenAPI document does where there was none with a name of two words. */
  async #spelling(): Promise<Casing> {
    if (this.#casing) return this.#casing;
    const { body } = await this.#ask("GET", `${this.connection.beside}/openapi.json`);
    this.#casing = JSON.stringify(body).includes('"expiresInDays"') ? "camel" : "snake";
    return this.#casing;
  }

  async #ask(method: string, url: string, more: { body?: string; idempotencyKey?: string; signal?: AbortSignal } = {}): Promise<Answer> {
    const { body: sent, idempotencyKey, signal: stopped } = { __proto__: null, ...more } as typeof more;
    const { headers: given } = this.connection;
    const headers = new Headers(typeof given === "function" ? await given() : (given ?? undefined));
    headers.set("accept", "application/json");
    if (sent !== undefined) headers.set("content-type", "application/json");
    if (idempotencyKey) headers.set("idempotency-key", idempotencyKey);
    const late = AbortSignal.timeout(PATIENCE);
    const signal = stopped ? AbortSignal.any([stopped, late]) : late;
    const options = { __proto__: null, method, headers, signal, credentials: "same-origin", redirect: "manual", cache: "no-store", body: sent ?? null } as const;
    const response = await (this.connection.fetch ?? fetch)(url, options).catch((error: unknown) => {
      throw lost(error, late, stopped, "offline");
    });
    if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) throw new Trouble("redirect");
    const text = await read(response).catch((error: unknown) => {
      throw error instanceof Trouble ? error : lost(error, late, stopped, "cut");
    });
    const body = parsed(text);
    const wasSignedOut = this.#isSignedOut;
    this.#isSignedOut = response.status === 401;
    if (this.#isSignedOut && !wasSignedOut) this.#signedOut();
    if (!response.ok) throw refusalOf(response, body);
    if (body === undefined) throw new Trouble(text.trimStart().startsWith("<") ? "foreign" : "cut");
    if (!url.endsWith("/openapi.json")) this.#casing ??= casingOf(body);
    return { body, headers: response.headers };
  }
}

/** The text of an answer, as long as it is not endless. */
async function read(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (!reader) return response.text();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < LONGEST) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) return text;
  }
  void reader.cancel();
  throw new Trouble("foreign");
}

/** A page that has gone on does not want the answer any more: what it stopped itself is thrown on as it is. */
function lost(error: unknown, late: AbortSignal, stopped: AbortSignal | undefined, kind: "offline" | "cut"): unknown {
  if (stopped?.aborted) return error;
  return new Trouble(late.aborted ? "slow" : kind);
}

/** The fields of an answer; null if the answer is not from management. */
function understood<T>(read: T | null): T {
  if (read === null) throw new Trouble("foreign");
  return read;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
