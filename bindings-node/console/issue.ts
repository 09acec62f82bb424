// Making a secret: a key that is created, or rotated. An answer may be lost; what was made is found by its idempotency key.
import { type Attempt, randomId } from "./attempts.js";
import { LostDialog } from "./dialog/lost.js";
import { RevealDialog } from "./dialog/reveal.js";
import { type Key, formerSecrets } from "./key.js";
import type { Page } from "./page.js";
import { type Issued, readIssued } from "./spelling.js";
import { Trouble, type TroubleKind } from "./trouble.js";

/** Milliseconds to wait before asking again by itself. */
const PAUSES = [1_000, 3_000];
/** What passes by itself. */
const PASSING: readonly TroubleKind[] = ["offline", "cut", "failed"];
/** What says of a repeat that the first request did nothing. */
const NOTHING_DONE: readonly TroubleKind[] = ["refused", "missing"];

/** A request whose answer was lost: it may have done its work. */
export class Unanswered extends Error {
  readonly attempt: Attempt;
  readonly trouble: Trouble;

  constructor(attempt: Attempt, trouble: Trouble) {
    super(trouble.kind);
    this.attempt = attempt;
    this.trouble = trouble;
  }
}

export function newAttempt(kind: Attempt["kind"], url: string, body: string, name: string, grace: boolean): Attempt {
  return { id: randomId(), kind, url, body, name, grace, state: "sent", at: Date.now() };
}

/**
 * Sends an attempt, and shows the secret that it made. `isRepeat` says that it may have been sent before. Throws `Trouble` when
 * nothing was done, and `Unanswered` when nobody knows.
 */
export async function issue(page: Page, attempt: Attempt, isRepeat = false): Promise<void> {
  page.attempts.begin(attempt);
  const issued = await answered(page, attempt, isRepeat);
  const known: Attempt = { ...attempt, key: issued.key.id, name: issued.key.name };
  if (issued.apiKey === null) {
    page.attempts.begin(known);
    page.open(new LostDialog(page, known));
  } else {
    page.attempts.begin({ ...known, state: "shown" });
    page.open(new RevealDialog(page, known, issued.key, issued.apiKey));
  }
  const isNew = attempt.kind === "create";
  page.changed(isNew ? "created" : "rotated", issued.key, isNew ? "done_created" : "done_rotated");
}

async function answered(page: Page, attempt: Attempt, isRepeat: boolean): Promise<Issued> {
  let wasSent = isRepeat;
  for (let turn = 0; ; turn += 1) {
    try {
      const issued = readIssued(await page.api.once(attempt.url, attempt.body, attempt.id), attempt.key, attempt.name);
      if (!issued) throw new Trouble("foreign");
      return issued;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      const nothingDone = wasSent ? NOTHING_DONE.includes(error.kind) : !error.isUncertain;
      if (nothingDone) {
        page.attempts.end(attempt.id);
        throw error;
      }
      wasSent = true;
      const pause = PAUSES[turn];
      if (pause === undefined || !PASSING.includes(error.kind)) throw new Unanswered(attempt, error);
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}

/** Makes another secret for a key whose last one nobody has. */
export async function reissue(page: Page, attempt: Attempt, id: Key["id"]): Promise<void> {
  // A former secret that still works keeps its end; without one, the lost secret ends.
  const keepsFormer = attempt.grace && formerSecrets(await page.api.get(id)).length > 0;
  const body = await page.api.body(keepsFormer ? { replace_current: true } : { grace: 0 });
  await issue(page, newAttempt("rotate", page.api.keyUrl(id, "rotate"), body, attempt.name, keepsFormer));
  page.attempts.end(attempt.id);
}
