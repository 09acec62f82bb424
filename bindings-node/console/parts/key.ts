// How the parts of a key are shown, in the table and in the details.
import { type TemplateResult, html, nothing } from "lit-html";
import type { Key, Status } from "../key.js";
import type { Page } from "../page.js";
import type { Word, Words } from "../words.js";

const DAY = 86_400_000;
export const LEVELS = ["read", "read_write", "full"];

export function statusBadge(words: Words, status: Status): TemplateResult {
  return html`<span class="badge ${status}" part="badge ${status}">${words.say(`status_${status}`)}</span>`;
}

export function levelText(words: Words, level: string): string {
  return LEVELS.includes(level) ? words.say(`level_${level}` as Word) : level;
}

/** "Never", "Expires in 3 days", with the exact time, and whether that is soon. */
export function expiryOf({ words, format }: Page, { expires_at: end }: Key): { text: string; moment: string; isSoon: boolean } {
  if (!end) return { text: words.say("never_expires"), moment: "", isSoon: false };
  const left = Date.parse(end) - Date.now();
  const isFar = left > 60 * DAY;
  const time = isFar ? format.date(end) : format.relative(end);
  const text = isFar ? time : words.say(left > 0 ? "expires" : "expired", { time });
  return { text, moment: format.moment(end), isSoon: left > 0 && left < 7 * DAY };
}

export function scopeList(words: Words, scopes: string[], most: number): TemplateResult {
  if (scopes.length === 0) return html`<span class="muted">${words.say("no_scopes")}</span>`;
  const rest = scopes.length - most;
  return html`${scopes.slice(0, most).map((scope) => html`<code class="scope" part="scope">${scope}</code> `)}${rest > 0
    ? html`<span class="muted rest" title=${scopes.slice(most).join(", ")}>${words.say("more_scopes", { count: rest })}</span>`
    : nothing}`;
}
