/** A key as the page shows it, with what the host's management shows of it. It never holds a secret. */
export interface ShownKey {
  readonly id: string | number;
  readonly name: string;
  readonly description: string | null | undefined;
  readonly environment: string | null | undefined;
  readonly prefix: string | null | undefined;
  readonly status: "active" | "disabled" | "expired" | "revoked";
  readonly scopes: readonly string[] | null | undefined;
  readonly level: string | null | undefined;
  readonly tier: string | null | undefined;
  readonly networks: readonly string[] | null | undefined;
  /** Times are RFC 3339 texts. */
  readonly created_at: string | null | undefined;
  readonly created_by: string | null | undefined;
  readonly expires_at: string | null | undefined;
  readonly disabled_at: string | null | undefined;
  readonly revoked_at: string | null | undefined;
  readonly reason: string | null | undefined;
  readonly last_used_at: string | null | undefined;
  readonly usage_count: number | undefined;
  readonly denied_count: number | undefined;
}

/** The changes that the page made, and the end of the host's session. */
export interface KeywrightKeysEventMap extends HTMLElementEventMap {
  created: CustomEvent<{ key: ShownKey }>;
  updated: CustomEvent<{ key: ShownKey }>;
  rotated: CustomEvent<{ key: ShownKey }>;
  revoked: CustomEvent<{ key: ShownKey }>;
  disabled: CustomEvent<{ key: ShownKey }>;
  enabled: CustomEvent<{ key: ShownKey }>;
  "grace-ended": CustomEvent<{ key: ShownKey }>;
  "session-ended": CustomEvent<Record<string, never>>;
}

/** `<keywright-keys>`: the keys of an org, for the settings page of a product. Importing this module defines it. */
export class KeywrightKeys extends HTMLElement {
  /** Where management is mounted. The default is the folder of the script that management serves, else `/manage`. */
  mount: string | null;
  /** In place of `mount`: where the keys themselves are, as the option `path` of the server says. */
  path: string | null;
  /** Shows the keys without a way to change them. */
  readonly: boolean;
  /** Optional fields of the form for a new key: `level`, `networks` or both, apart by spaces. */
  fields: string;
  /** The environments and tiers that people may choose, apart by spaces. The first one is preselected. */
  environments: string;
  tiers: string;
  /** The graces of a rotation in hours, apart by spaces; `"1 24 168"` unless said. */
  graces: string;
  /** The days after which a key may expire, apart by spaces; `"7 30 90 365"` unless said. */
  expiries: string;
  /** The expiry that is preselected, in days; 90 unless said, 0 for none. Attribute `default-expiry`. */
  defaultExpiry: number;
  /** The variable in the file that people may download; `API_KEY` unless said. Attribute `env-name`. */
  envName: string;
  /** Keeps search and filters in the address of the page, in parameters that begin so. Attribute `url-state`. */
  urlState: string | null;
  /** The time zone of all times, such as `Europe/Berlin`; that of the browser unless said. Attribute `time-zone`. */
  timeZone: string | null;
  /** A header against forged requests and its value. Attributes `csrf-header`, `csrf-token`. */
  csrfHeader: string | null;
  csrfToken: string | null;
  /** Headers of each request, such as `Authorization`, or a function that gives them. */
  headers: HeadersInit | (() => HeadersInit | Promise<HeadersInit>) | null;
  /** Sends the requests, in place of the browser's `fetch`. */
  fetch: typeof globalThis.fetch | null;
  /** Words in place of those that the page has. `en` lists all. */
  messages: Partial<Messages>;

  /** Opens the form for a new key. */
  create(): void;
  /** Loads the keys again. */
  reload(): Promise<void>;

  addEventListener<T extends keyof KeywrightKeysEventMap>(
    type: T,
    listener: (this: KeywrightKeys, event: KeywrightKeysEventMap[T]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** Every word of the page by its name. `{name}` is replaced; of two forms apart by `|`, the first is for one. */
export type Messages = Record<string, string>;

/** The words in English. */
export const en: Messages;

declare global {
  interface HTMLElementTagNameMap {
    "keywright-keys": KeywrightKeys;
  }
}
