// The keys that are loaded, and which of them are shown.
import type { Api, ListFilter } from "./api.js";
import type { Key } from "./key.js";
import { Trouble } from "./trouble.js";

export interface Filter extends ListFilter {
  search: string;
}

export const NO_FILTER: Filter = { search: "", status: "", environment: "" };

/** How many rows are added at a time, and how many keys one request brings while searching. */
const PAGE = 100;
const LARGEST_PAGE = 1_000;

export class KeyList {
  readonly filter: Filter;
  trouble: Trouble | null = null;
  isLoading = false;
  /** Whether the first page has come. */
  isReady = false;
  #keys: Key[] = [];
  #cursor: string | null = null;
  #shown = PAGE;
  readonly #api: Api;
  readonly #update: () => void;
  readonly #stop = new AbortController();
  readonly #texts = new WeakMap<Key, string>();

  constructor(api: Api, filter: Filter, update: () => void) {
    this.#api = api;
    this.filter = { ...filter };
    this.#update = update;
  }

  get loaded(): number {
    return this.#keys.length;
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  get environments(): string[] {
    return [...new Set(this.#keys.flatMap((key) => key.environment ?? []))].sort();
  }

  /** All loaded keys that the search finds, and the part of them that is shown. */
  get found(): Key[] {
    const words = normal(this.filter.search).split(" ").filter(Boolean);
    if (words.length === 0) return this.#keys;
    return this.#keys.filter((key) => words.every((word) => this.#text(key).includes(word)));
  }

  get shown(): Key[] {
    return this.found.slice(0, this.#shown);
  }

  load(): Promise<void> {
    return this.#fetch(null, PAGE);
  }

  async showMore(): Promise<void> {
    if (this.isLoading) return;
    this.trouble = null;
    this.#shown += PAGE;
    if (this.found.length < this.#shown && this.hasMore) await this.#fetch(this.#cursor, PAGE);
    this.#update();
  }

  search(text: string): void {
    this.filter.search = text;
    this.#shown = PAGE;
    this.#update();
    void this.#complete();
  }

  /** Takes over a key that has changed. One that the filter hides goes. */
  put(key: Key): void {
    const at = this.#keys.findIndex((other) => other.id === key.id);
    const { status } = this.filter;
    const isHidden = status === "all" ? false : status === "" ? key.status === "revoked" : key.status !== status;
    const isElsewhere = this.filter.environment !== "" && key.environment !== this.filter.environment;
    if (isHidden || isElsewhere) this.#keys = this.#keys.filter((other) => other.id !== key.id);
    else if (at < 0) this.#keys = [key, ...this.#keys];
    // Lists may show more than single answers, and the other way round.
    else this.#keys = this.#keys.with(at, merged(this.#keys[at], key));
  }

  stop(): void {
    this.#stop.abort();
  }

  /** A search looks at all keys, so that all of them are loaded for it. */
  async #complete(): Promise<void> {
    while (this.filter.search.trim() !== "" && this.hasMore && !this.trouble && !this.isLoading && !this.isStopped) {
      await this.#fetch(this.#cursor, LARGEST_PAGE);
    }
  }

  async #fetch(cursor: string | null, limit: number): Promise<void> {
    this.isLoading = true;
    this.trouble = null;
    this.#update();
    try {
      const { status, environment } = this.filter;
      const page = await this.#api.list({ status, environment }, cursor, limit, this.#stop.signal);
      const before = cursor === null ? [] : this.#keys;
      const known = new Set(before.map((key) => key.id));
      const added = page.keys.filter((key) => !known.has(key.id));
      this.#keys = [...before, ...added];
      // A server that goes in circles would be asked for ever.
      this.#cursor = added.length > 0 ? page.cursor : null;
      this.isReady = true;
    } catch (error) {
      if (!(error instanceof Trouble)) return;
      this.trouble = error;
    } finally {
      this.isLoading = false;
      this.#update();
    }
  }

  #text(key: Key): string {
    const known = this.#texts.get(key);
    if (known !== undefined) return known;
    const text = normal([key.name, key.description, key.prefix, key.id, key.environment, ...(key.scopes ?? [])].join(" "));
    this.#texts.set(key, text);
    return text;
  }
}

function normal(text: string): string {
  return text.normalize("NFKC").toLowerCase().replace(/\s+/g, " ");
}

function merged(before: Key | undefined, now: Key): Key {
  const told = Object.entries(now).filter(([, value]) => value !== undefined);
  return { ...(before ?? now), ...(Object.fromEntries(told) as Partial<Key>) };
}
