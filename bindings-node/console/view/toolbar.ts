import { type TemplateResult, html, nothing } from "lit-html";
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
  const choice = (name: "status" | "environment", options: [string, string][]) =>
    html`<select part="input" aria-label=${words.say(name)} @change=${(event: Event) => page.filterBy({ [name]: value(event) })}>
      ${options.map(([value, text]) => html`<option value=${value} ?selected=${chosen[name] === value}>${text}</option>`)}
    </select>`;
  return html`<div class="toolbar" part="toolbar" role="search">
    <input type="search" part="input" dir="auto" autocomplete="off" spellcheck="false" aria-label=${words.say("search")} placeholder=${words.say("search_hint")}
      .value=${chosen.search} @input=${(event: Event) => page.search(value(event))} />
    ${choice("status", STATUSES.map(([status, word]) => [status, words.say(word)]))}
    ${environments.length > 1 || chosen.environment
      ? choice("environment", [["", words.say("all_environments")], ...environments.map((name): [string, string] => [name, name])])
      : nothing}
    <slot name="actions"></slot>
  </div>`;
}
