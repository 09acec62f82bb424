import { type TemplateResult, html, nothing } from "lit-html";
import type { Attempt } from "../attempts.js";
import { CreateDialog } from "../dialog/create.js";
import { finish } from "../dialog/issue.js";
import { lostWord } from "../dialog/lost.js";
import type { Page } from "../page.js";
import { button } from "../parts/button.js";
import { troubleNotice } from "../parts/trouble.js";
import { table } from "./table.js";
import { toolbar } from "./toolbar.js";

const KEY_ICON = html`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><circle cx="8" cy="15" r="4.5" /><path d="m11.2 11.8 8.3-8.3M16 7l3 3M13 10l2 2" /></svg>`;

/** The whole page but for its dialog. */
export function pageView(page: Page): TemplateResult {
  const { words, list } = page;
  const isBlank = list.isReady && list.loaded === 0 && !isFiltered(page);
  // Without a row there is no table.
  if (!list.isReady || list.shown.length === 0) page.groups = [];
  page.pace.isBehind = false;
  const content = isBlank ? empty(page) : list.isReady ? found(page) : list.trouble ? nothing : skeleton();
  return html`<div class="page" part="page" lang=${words.lang} dir=${words.dir} aria-busy=${!page.isReady || page.pace.isBehind}>
    <header part="header">
      <slot name="heading"><h2 part="heading" tabindex="-1">${words.say("title")}</h2></slot>
      ${isBlank ? nothing : createButton(page)}
    </header>
    ${page.attempts.orphans.map((attempt) => orphan(page, attempt))}
    ${list.isReady && !isBlank ? toolbar(page) : nothing}
    ${list.trouble
      ? html`<slot name=${list.trouble.kind === "signed_out" ? "signed-out" : "trouble"}>${troubleNotice(page, list.trouble, () => void page.reload())}</slot>`
      : nothing}
    ${content}
    <p class="off-screen" role="status">${page.told || (list.isReady ? summary(page) : list.trouble ? "" : words.say("loading"))}</p>
  </div>`;
}

/** Opens the form for a new key, where that is allowed. */
export function openCreate(page: Page): void {
  if (page.canManage) page.open(new CreateDialog(page));
}

function createButton(page: Page): TemplateResult | typeof nothing {
  return page.canManage ? button(page.words.say("create"), { press: () => openCreate(page), kind: "primary" }) : nothing;
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
      <span>${summary(page)}${page.canManage || !page.isReady ? nothing : html` ${words.say("read_only")}`}</span>
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
  const { words } = page;
  return html`<slot name="empty">
    <div class="empty" part="empty">
      ${KEY_ICON}
      <h3>${words.say("empty_title")}</h3>
      <p>${words.say(page.canManage || !page.isReady ? "empty_text" : "empty_read_only")}</p>
      ${createButton(page)}
    </div>
  </slot>`;
}

function skeleton(): TemplateResult {
  return html`<div class="skeleton" aria-hidden="true">${[0, 1, 2, 3].map(() => html`<div></div>`)}</div>`;
}

function orphan(page: Page, attempt: Attempt): TemplateResult {
  const { words } = page;
  const { id, name, state, key } = attempt;
  const isShown = state === "shown";
  return html`<div class="notice" part="notice" role="alert">
    <p>${words.say(key === undefined ? "orphan_sent" : lostWord(attempt), { name })}</p>
    <div>
      ${button(words.say(isShown ? "orphan_saved" : "dismiss"), { press: () => page.forget(id) })}
      ${button(words.say(key === undefined ? "orphan_sent_finish" : "lost_get"), { press: () => finish(page, attempt), kind: "primary" })}
    </div>
  </div>`;
}
