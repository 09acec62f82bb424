import { type TemplateResult, html, nothing } from "lit";
import type { Attempt } from "../attempts.js";
import type { Page } from "../page.js";
import { button } from "./button.js";
import { table } from "./table.js";
import { toolbar } from "./toolbar.js";
import { troubleNotice } from "./trouble.js";

const KEY_ICON = html`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><circle cx="8" cy="15" r="4.5" /><path d="m11.2 11.8 8.3-8.3M16 7l3 3M13 10l2 2" /></svg>`;

/** The whole page but for its dialog. */
export function pageView(page: Page): TemplateResult {
  const { words, list } = page;
  const isBlank = list.isReady && list.loaded === 0 && !isFiltered(page);
  return html`<div class="page" part="page">
    <header part="header">
      <slot name="heading"><h2 part="heading" tabindex="-1">${words.say("title")}</h2></slot>
      ${page.canManage && !isBlank
        ? button(words.say("create"), { press: () => page.openCreate(), kind: "primary" })
        : nothing}
    </header>
    ${page.orphans.map((attempt) => orphan(page, attempt))}
    ${list.isReady && !isBlank ? toolbar(page, (text) => page.search(text), (name, value) => page.filter({ [name]: value })) : nothing}
    ${list.trouble
      ? html`<slot name=${list.trouble.kind === "signed_out" ? "signed-out" : "trouble"}>${troubleNotice(page, list.trouble, () => void page.reload())}</slot>`
      : nothing}
    ${isBlank ? empty(page) : list.isReady ? found(page) : list.trouble ? nothing : skeleton(page)}
    <p class="off-screen" role="status">${page.told || (list.isReady ? summary(page) : words.say("loading"))}</p>
  </div>`;
}

function isFiltered({ list: { filter } }: Page): boolean {
  return filter.search.trim() !== "" || filter.status !== "" || filter.environment !== "";
}

function found(page: Page): TemplateResult {
  const { words, list } = page;
  const keys = list.shown;
  if (keys.length === 0) {
    return html`<div class="empty" part="empty">
      <p>${list.isLoading ? summary(page) : words.say("none_found")}</p>
      ${button(words.say("clear_filters"), { press: () => page.clearFilter() })}
    </div>`;
  }
  return html`${table(page, keys)}
    <footer part="footer">
      <span>${summary(page)}${page.canManage || list.isLoading ? nothing : html` ${words.say("read_only")}`}</span>
      ${list.found.length > keys.length || list.hasMore
        ? button(words.say("more"), { press: () => void list.showMore(), isBusy: list.isLoading })
        : nothing}
    </footer>`;
}

function summary({ words, list }: Page): string {
  const { loaded: count, hasMore } = list;
  if (list.filter.search.trim() === "") {
    const { length } = list.shown;
    return words.say(hasMore || length < count ? "shown_of_many" : "shown", { count: length });
  }
  return list.isLoading ? words.say("searching", { count }) : words.say("searched", { found: list.found.length, count });
}

function empty(page: Page): TemplateResult {
  const { words, canManage } = page;
  return html`<slot name="empty">
    <div class="empty" part="empty">
      ${KEY_ICON}
      <h3>${words.say("empty_title")}</h3>
      <p>${words.say(canManage ? "empty_text" : "empty_read_only")}</p>
      ${canManage ? button(words.say("create"), { press: () => page.openCreate(), kind: "primary" }) : nothing}
    </div>
  </slot>`;
}

function skeleton({ words }: Page): TemplateResult {
  return html`<div class="skeleton" aria-hidden="true" title=${words.say("loading")}>${[0, 1, 2, 3].map(() => html`<div></div>`)}</div>`;
}

function orphan(page: Page, attempt: Attempt): TemplateResult {
  const { words } = page;
  const { name, state, key } = attempt;
  return html`<div class="notice" part="notice" role="alert">
    <p>${words.say(state === "shown" ? "orphan_shown" : "orphan_sent", { name })}</p>
    <div>
      ${button(words.say(state === "shown" ? "orphan_saved" : "dismiss"), { press: () => page.forget(attempt) })}
      ${button(words.say(key === undefined ? "orphan_sent_finish" : "lost_get"), { press: () => page.finish(attempt), kind: "primary" })}
    </div>
  </div>`;
}
