/** A secret of a key, as management shows it: never its text. */
export interface Secret {
  prefix: string | null | undefined;
  created_at: string | null | undefined;
  grace_ends_at: string | null | undefined;
  last_used_at: string | null | undefined;
}

export type Status = "active" | "disabled" | "expired" | "revoked";

/** A key as management shows it. A host may leave out fields: `undefined` is not shown, `null` is empty. */
export interface Key {
  id: string | number;
  name: string;
  description: string | null | undefined;
  environment: string | null | undefined;
  prefix: string | null | undefined;
  status: Status;
  scopes: string[] | null | undefined;
  level: string | null | undefined;
  tier: string | null | undefined;
  networks: string[] | null | undefined;
  created_at: string | null | undefined;
  created_by: string | null | undefined;
  expires_at: string | null | undefined;
  disabled_at: string | null | undefined;
  revoked_at: string | null | undefined;
  reason: string | null | undefined;
  last_used_at: string | null | undefined;
  usage_count: number | undefined;
  denied_count: number | undefined;
  secrets: Secret[] | undefined;
}

/** The label of a key where it has no name. */
export function labelOf({ name, prefix, id }: Key): string {
  return name || String(prefix ?? id);
}

/** The secrets that a rotation has replaced and that still work. */
export function formerSecrets(key: Key): Secret[] {
  return key.secrets?.filter((secret) => secret.grace_ends_at && Date.parse(secret.grace_ends_at) > Date.now()) ?? [];
}

