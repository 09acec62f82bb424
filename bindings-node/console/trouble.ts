import { plain, snake } from "./spelling.js";

/**
 * Why a request failed. `offline`: no answer came. `slow`: none in time. `cut`: the answer ended early. `foreign`: the answer is
 * not from management. `redirect`: it leads elsewhere, as to a page for signing in. The others follow the status.
 */
export type TroubleKind =
  | "offline"
  | "slow"
  | "cut"
  | "foreign"
  | "redirect"
  | "signed_out"
  | "forbidden"
  | "missing"
  | "conflict"
  | "refused"
  | "busy"
  | "failed";

/** Changes that may have been made although no answer said so. */
const UNCERTAIN: readonly TroubleKind[] = ["offline", "slow", "cut", "foreign", "redirect", "failed"];

interface TroubleFacts {
  /** The server's own sentence, and its code. */
  detail?: unknown;
  code?: unknown;
  requestId?: string | undefined;
  /** Whole seconds, from `Retry-After`. */
  wait?: number | undefined;
}

export class Trouble extends Error {
  readonly kind: TroubleKind;
  readonly detail: string;
  /** The field at fault, by its name in snake_case; empty for none. */
  readonly field: string;
  readonly code: string;
  readonly requestId: string;
  /** When it is worth asking again, in milliseconds of the clock; 0 for at once. */
  readonly retryAt: number;

  constructor(kind: TroubleKind, { detail, code, requestId, wait }: TroubleFacts = {}) {
    super(kind);
    this.kind = kind;
    this.detail = typeof detail === "string" ? detail.slice(0, 500) : "";
    this.field = snake(/^\w+(?=: )/.exec(this.detail)?.[0] ?? "").replace(/^expires.*/, "expiry");
    this.code = String(code);
    this.requestId = requestId ?? "";
    this.retryAt = wait === undefined ? 0 : Date.now() + wait * 1_000;
  }

  /** Whether the change may have happened all the same. */
  get isUncertain(): boolean {
    return UNCERTAIN.includes(this.kind);
  }
}

const KINDS: Record<number, TroubleKind> = { 401: "signed_out", 403: "forbidden", 404: "missing", 409: "conflict", 429: "busy" };

/** The trouble that a refusal tells, in each form that a host may choose for errors. */
export function refusalOf(response: Response, body: unknown): Trouble {
  const whole = plain(body);
  const errors = whole?.["errors"];
  const told = Array.isArray(errors) ? plain(errors[0]) : whole;
  const { status, headers } = response;
  const kind = KINDS[status] ?? (status >= 500 ? "failed" : "refused");
  return new Trouble(kind, {
    detail: told?.["detail"] ?? told?.["message"],
    code: told?.["code"],
    requestId: headers.get("x-request-id") ?? undefined,
    wait: waitOf(headers.get("retry-after")),
  });
}

/** Seconds, or a date (RFC 9110, section 10.2.3). At most an hour counts. */
function waitOf(header: string | null): number | undefined {
  if (!header) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1_000);
  return seconds > 0 ? Math.min(seconds, 3_600) : undefined;
}
