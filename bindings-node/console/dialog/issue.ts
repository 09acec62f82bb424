// Making a secret: a key that is created, or rotated. An answer may be lost; what was made is found by its idempotency key.
import { type Attempt, randomId } from "../attempts.js";
import { type Key, formerSecrets } from "../key.js";
import type { Page } from "../page.js";
import { type Issued, readIssued } from "../spelling.js";
import { Trouble, type TroubleKind } from "../trouble.js";
import { LostDialog } from "./lost.js";
import { RevealDialog } from "./reveal.js";
import { UncertainDialog } from "./uncertain.js";

/** Milliseconds to wait before asking again by itself. */
const PAUSES = [1_000, 3_000];
/** Errors that pass by themselves. */
const PASSING: readonly TroubleKind[] = ["offline", "cut", "failed"];
/** Errors of a repeat that say that the first request did nothing. */
const NOTHING_DONE: readonly TroubleKind[] = ["refused", "missing"];

export function newAttempt(kind: Attempt["kind"], url: string, body: string, name: string, grace: boolean): Attempt {
  return { id: randomId(), kind, url, body, name, grace, state: "sent", at: Date.now() };
}

/** Sends an attempt, and shows what came of it: the secret, or that it was lost, or that nobody knows. Throws `Trouble` when nothing was done. */
export async function issue(page: Page, attempt: Attempt, isRepeat = false): Promise<void> {
  page.attempts.note(attempt);
  const issued = await answered(page, attempt, isRepeat);
  // The element has left its document: what was made waits for the next one.
  if (page.isStopped) return;
  if (issued instanceof Trouble) {
    page.open(uncertain(page, attempt, issued));
    return;
  }
  const { key, apiKey } = issued;
  const known: Attempt = { ...attempt, key: key.id, name: key.name };
  if (attempt.instead) page.attempts.end(attempt.instead);
  page.attempts.note(apiKey === null ? known : { ...known, state: "shown" });
  page.open(apiKey === null ? lost(page, known, key.id) : new RevealDialog(page, known, key, apiKey));
  const isNew = attempt.kind === "create";
  page.changed(isNew ? "created" : "rotated", key, isNew ? "done_created" : "done_rotated");
}

/** Finds out what became of a request that an earlier page sent. */
export function finish(page: Page, attempt: Attempt): void {
  page.attempts.note(attempt);
  if (attempt.key !== undefined) {
    page.open(lost(page, attempt, attempt.key));
    return;
  }
  const dialog = uncertain(page, attempt, null);
  page.open(dialog);
  dialog.check();
}

function uncertain(page: Page, attempt: Attempt, trouble: Trouble | null): UncertainDialog {
  return new UncertainDialog(page, attempt.name, trouble, () => issue(page, attempt, true));
}

function lost(page: Page, attempt: Attempt, id: Key["id"]): LostDialog {
  return new LostDialog(page, attempt, id, async () => {
    // A former secret that still works keeps its end; without one, the lost secret ends.
    const grace = attempt.grace && formerSecrets(await page.api.get(id)).length > 0;
    const body = await page.api.body(grace ? { replace_current: true } : { grace: 0 });
    await issue(page, { ...newAttempt("rotate", page.api.keyUrl(id, "rotate"), body, attempt.name, grace), instead: attempt.id });
  });
}

/** The answer of the server, or the error after which nobody knows whether it was done. Throws `Trouble` when nothing was. */
async function answered(page: Page, attempt: Attempt, isRepeat: boolean): Promise<Issued | Trouble> {
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
      if (pause === undefined || !PASSING.includes(error.kind)) return error;
      await new Promise((done) => setTimeout(done, pause));
    }
  }
}
