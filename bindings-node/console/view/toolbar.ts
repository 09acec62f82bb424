import { type TemplateResult, html, nothing } from "lit";
import type { Page } from "../page.js";
import type { Word } from "../words.js";

const STATUSES: [string, Word][] = [
  ["", "status_current"],
  ["active", "status_active"],
  ["disabled", "status_disabled"],
  ["expired", "status_expired"],
  ["revoked", "status_revoked"],
  ["all", "status_all"],
];

/** Search and filters. */
export function toolbar(page: Page): TemplateResult {
  const { words, list, choices } = page;
  const environments = choices.environments.length > 0 ? choices.environments : list.environments;
  const chosen = page.filter;
  const value = (event: Event) => (event.target as HTMLInputElement | HTMLSelectElement).value;
  return html`<div class="toolbar" part="toolbar" role="search">
    <input type="search" part="input" dir="auto" autocomplete="off" spellcheck="false" aria-label=${words.say("search")} placeholder=${words.say("search_hint")}
      .value=${chosen.search} @input=${(event: Event) => page.search(value(event))} />
    <select part="input" aria-label=${words.say("status")} @change=${(event: Event) => page.filterBy({ status: value(event) })}>
      ${STATUSES.map(([status, word]) => html`<option value=${status} ?selected=${chosen.status === status}>${words.say(word)}</option>`)}
    </select>
    ${environments.length > 1 || chosen.environment
      ? html`<select part="input" aria-label=${words.say("environment")} @change=${(event: Event) => page.filterBy({ environment: value(event) })}>
          <option value="">${words.say("all_environments")}</option>
          ${environments.map((name) => html`<option value=${name} ?selected=${chosen.environment === name}>${name}</option>`)}
        </select>`
      : nothing}
    <slot name="actions"></slot>
  </div>`;
}
