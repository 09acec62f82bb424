// Management answers in the manner of the host's API (see the guide's page on spelling). This reads every manner as one.
import type { Key, Secret, Status } from "./key.js";

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

const STATUSES: readonly string[] = ["active", "disabled", "expired", "revoked"] satisfies Status[];

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name: string) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

function text(value: unknown): string | null | undefined {
  return typeof value === "string" || value === null ? value : undefined;
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The fields of a record by their names in snake_case. */
function plain(value: unknown): Fields | null {
  if (!isFields(value)) return null;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [snake(name), field]));
}

function readSecret(value: unknown): Secret[] {
  const fields = plain(value);
  if (!fields) return [];
  const at = (name: string) => text(fields[name]) ?? null;
  return [{ prefix: at("prefix"), created_at: at("created_at"), grace_ends_at: at("grace_ends_at"), last_used_at: at("last_used_at") }];
}

/** A key; null for what is none. */
export function readKey(value: unknown): Key | null {
  const fields = plain(value);
  const id = fields?.["id"];
  if (!fields || (typeof id !== "string" && typeof id !== "number")) return null;
  const status = text(fields["status"]) ?? "active";
  return {
    id,
    name: text(fields["name"]) ?? "",
    description: text(fields["description"]),
    environment: text(fields["environment"]) ?? undefined,
    prefix: text(fields["prefix"]) ?? undefined,
    status: (STATUSES.includes(status) ? status : "disabled") as Status,
    scopes: texts(fields["scopes"]),
    level: text(fields["level"]),
    tier: text(fields["tier"]),
    networks: texts(fields["networks"]) ?? (fields["networks"] === null ? null : undefined),
    created_at: text(fields["created_at"]) ?? undefined,
    created_by: text(fields["created_by"]),
    expires_at: text(fields["expires_at"]),
    disabled_at: text(fields["disabled_at"]),
    revoked_at: text(fields["revoked_at"]),
    reason: text(fields["reason"]),
    last_used_at: text(fields["last_used_at"]),
    usage_count: count(fields["usage_count"]),
    denied_count: count(fields["denied_count"]),
    secrets: Array.isArray(fields["secrets"]) ? fields["secrets"].flatMap(readSecret) : undefined,
  };
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

/** Who asks, as `GET /whoami` tells it. */
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
