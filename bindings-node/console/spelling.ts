// Management answers in the manner of the host's API (see the guide's page on spelling). This reads every manner as one.
import type { Key, Status } from "./key.js";

export type Casing = "snake" | "camel";
export type Fields = Record<string, unknown>;

/** A page of keys, and where the next one begins. */
export interface ListedKeys {
  keys: Key[];
  cursor: string | null;
}

/** A key that was just made or rotated. Its text is null when the answer was given before. */
export interface Issued {
  key: Key;
  apiKey: string | null;
}

export interface Scope {
  scope: string;
  description: string;
}

const STATUSES: Status[] = ["active", "disabled", "expired", "revoked"];

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
export const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function text(value: unknown): string | null | undefined {
  return typeof value === "string" || value === null ? value : undefined;
}

function texts(value: unknown): string[] | null | undefined {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : value === null ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The fields of a record by their names in snake_case. Whatever else is on the page may have added to `Object.prototype`. */
export function plain(value: unknown): Fields | null {
  if (!isFields(value)) return null;
  return { __proto__: null, ...Object.fromEntries(Object.entries(value).map(([name, field]) => [snake(name), field])) };
}

/** How each field is read. What has another type counts as not shown. */
const SECRET = { prefix: text, created_at: text, grace_ends_at: text, last_used_at: text };
const KEY = {
  description: text,
  environment: text,
  prefix: text,
  scopes: texts,
  level: text,
  tier: text,
  networks: texts,
  created_at: text,
  created_by: text,
  expires_at: text,
  disabled_at: text,
  revoked_at: text,
  reason: text,
  last_used_at: text,
  usage_count: count,
  denied_count: count,
  secrets: (value: unknown) => (Array.isArray(value) ? value.map((secret) => read(SECRET, plain(secret) ?? {})) : undefined),
};

type Readers = Record<string, (value: unknown) => unknown>;

function read<T extends Readers>(readers: T, fields: Fields): { [name in keyof T]: ReturnType<T[name]> } {
  return Object.fromEntries(Object.entries(readers).map(([name, reader]) => [name, reader(fields[name])])) as { [name in keyof T]: ReturnType<T[name]> };
}

/** A key; null for what is none. */
export function readKey(value: unknown): Key | null {
  const fields = plain(value);
  const id = fields?.["id"];
  if (!fields || (typeof id !== "string" && typeof id !== "number")) return null;
  const status = fields["status"] ?? "active";
  return { ...read(KEY, fields), id, name: text(fields["name"]) ?? "", status: STATUSES.find((known) => known === status) ?? "disabled" };
}

/** The answer of create and rotate; null for what is none. */
export function readIssued(value: unknown, id?: Key["id"], name = ""): Issued | null {
  const fields = plain(value);
  if (!fields) return null;
  const apiKey = fields["api_key"] ?? fields["key"] ?? null;
  // A host may show the text alone.
  const key = readKey(id === undefined ? value : { ...fields, id }) ?? (apiKey === null ? null : readKey({ ...fields, id: "" }));
  if (!key || (apiKey !== null && (typeof apiKey !== "string" || apiKey.length < 8))) return null;
  return { key: { ...key, name: key.name || name }, apiKey };
}

/** A list of keys, in an envelope or bare with the header `Link`; null for what is none. */
export function readPage(value: unknown, link: string | null): ListedKeys | null {
  const fields = plain(value);
  const items = Array.isArray(value) ? value : fields?.["data"];
  if (!Array.isArray(items)) return null;
  const keys = items.map(readKey);
  if (!keys.every((key) => key !== null)) return null;
  const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/.exec(link ?? "")?.[1];
  const linked = next === undefined ? null : new URL(next, "https://list.invalid").searchParams.get("cursor");
  return { keys, cursor: Array.isArray(value) ? linked : (text(fields?.["next_cursor"]) ?? null) };
}

export function readScopes(value: unknown): Scope[] {
  const items = Array.isArray(value) ? value : plain(value)?.["data"];
  if (!Array.isArray(items)) return [];
  return items.flatMap((item) => {
    const fields = plain(item);
    const scope = text(fields?.["scope"]);
    return scope ? [{ scope, description: text(fields?.["description"]) ?? "" }] : [];
  });
}

/** The caller, as `GET /whoami` tells it. */
export interface Caller {
  name: string;
  may: string[];
}

/** A caller; null for what is none. */
export function readCaller(value: unknown): Caller | null {
  const fields = plain(value);
  if (!fields?.["type"]) return null;
  const key = plain(fields["key"]);
  return {
    name: [fields["org"], fields["actor"] ?? key?.["id"]].filter((part) => typeof part === "string").join("/"),
    may: texts(fields["may"]) ?? texts(key?.["scopes"]) ?? [],
  };
}

/** How names are spelt in an answer; null where none of them tells. */
export function casingOf(value: unknown): Casing | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (!isFields(first)) return null;
  for (const [name, field] of Object.entries(first)) {
    if (name.includes("_")) return "snake";
    if (/[A-Z]/.test(name)) return "camel";
    const inside = name === "data" || name === "key" ? casingOf(field) : null;
    if (inside) return inside;
  }
  return null;
}

/** Arguments, named as the host's API names them. Those without a value are left out. */
export function spell(fields: Fields, casing: Casing): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return JSON.stringify(Object.fromEntries(given.map(([name, value]) => [casing === "camel" ? camel(name) : name, value])));
}
