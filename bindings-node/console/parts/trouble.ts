import { type TemplateResult, html, nothing } from "lit-html";
import type { Page } from "../page.js";
import type { Trouble } from "../trouble.js";
import type { Word } from "../words.js";
import { button } from "./button.js";

/** The kinds whose own sentence of the server tells more than ours. */
const TOLD = ["refused", "conflict", "failed", "busy"];

/** Says what happened and what to do next. */
export function troubleNotice(page: Page, trouble: Trouble, retry?: () => void): TemplateResult {
  const { words } = page;
  const { kind, code, detail, field } = trouble;
  const word = `code_${code}`;
  const label = words.knows(field) ? words.say(field) : field;
  const told = words.knows(word) ? words.say(word, { field: label || detail }) : label ? label + detail.slice(detail.indexOf(":")) : detail;
  const seconds = Math.ceil((trouble.retryAt - Date.now()) / 1_000);
  if (seconds > 0) page.showIn(1_000);
  const wait = seconds > 0 ? words.say("retry_in", { count: seconds }) : null;
  return html`<div class="notice error" part="notice error" role="alert">
    <p>${words.say(`trouble_${kind}` as Word)}${TOLD.includes(kind) && told ? html` <bdi>${told}</bdi>` : nothing}</p>
    ${trouble.requestId ? html`<p class="small">${words.say("trouble_id", { id: trouble.requestId })}</p>` : nothing}
    ${retry
      ? button(wait ?? words.say("retry"), { press: retry, isDisabled: seconds > 0 })
      : wait && html`<p class="small" aria-hidden="true">${wait}</p>`}
  </div>`;
}
