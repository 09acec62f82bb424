import { type TemplateResult, html, noChange, nothing } from "lit-html";
import { DetailsDialog } from "../dialog/details.js";
import { RevokeDialog } from "../dialog/revoke.js";
import { RotateDialog } from "../dialog/rotate.js";
import { type Key, formerSecrets } from "../key.js";
import type { Page } from "../page.js";
import type { Word } from "../words.js";
import { button } from "../parts/button.js";
import { expiryText, levelText, scopeList, statusBadge } from "../parts/key.js";

interface Column {
  name: Word;
  class: string;
  /** Whether the host shows what stands in it. */
  isShown(key: Key): boolean;
  cell(page: Page, key: Key): unknown;
}

const COLUMNS: Column[] = [
  { name: "name", class: "name", isShown: () => true, cell: nameCell },
  {
    name: "scopes",
    class: "scopes",
    isShown: (key) => key.scopes !== undefined,
    cell: ({ words }, key) => html`${scopeList(words, key.scopes ?? [], 2)}${key.level ? html`<small>${levelText(words, key.level)}</small>` : nothing}`,
  },
  { name: "status", class: "status", isShown: () => true, cell: statusCell },
  { name: "column_used", class: "used", isShown: (key) => key.last_used_at !== undefined || key.usage_count !== undefined, cell: usedCell },
  { name: "column_expires", class: "expires", isShown: (key) => key.expires_at !== undefined, cell: expiryText },
];

/** Rows in a group. A browser neither styles nor lays out the groups that are far from the window. */
const GROUP = 20;

/** The keys. Roles stand on each part, because its layout is not a table's: narrow pages show cards. */
export function table(page: Page, keys: Key[]): TemplateResult {
  const { words, canManage } = page;
  const columns = COLUMNS.filter((column) => keys.some((key) => column.isShown(key)));
  const minute = Math.floor(Date.now() / 60_000);
  const shape = columns.map((column) => column.class).join();
  // A group is rendered again when a key in it changes, or the minute that its times count from.
  const group = (keys: Key[], at: number) => {
    const before = page.groups[at];
    const now = (page.groups[at] = [minute, canManage, words, shape, ...keys]);
    if (before?.length === now.length && now.every((value, at) => value === before[at])) return noChange;
    return html`<tbody role="rowgroup">${keys.map((key) => row(page, columns, key))}</tbody>`;
  };
  const groups = inGroups(keys.slice(0, page.drawn));
  page.groups.length = groups.length;
  return html`<table part="table" role="table" aria-label=${words.say("title")}>
    <thead role="rowgroup">
      <tr role="row">
        ${columns.map((column) => html`<th role="columnheader" scope="col" class=${column.class}>${words.say(column.name)}</th>`)}
        ${canManage ? html`<th role="columnheader" scope="col" class="actions"><span class="off-screen">${words.say("column_actions")}</span></th>` : nothing}
      </tr>
    </thead>
    ${groups.map(group)}
  </table>`;
}

function inGroups(keys: Key[]): Key[][] {
  return Array.from({ length: Math.ceil(keys.length / GROUP) }, (_, at) => keys.slice(at * GROUP, (at + 1) * GROUP));
}

function row(page: Page, columns: Column[], key: Key): TemplateResult {
  return html`<tr role="row" part="row" class=${key.status}>
    ${columns.map((column) => html`<td role="cell" part="cell" class=${column.class} data-label=${page.words.say(column.name)}>${column.cell(page, key)}</td>`)}
    ${page.canManage ? html`<td role="cell" part="cell" class="actions">${actions(page, key)}</td>` : nothing}
  </tr>`;
}

function nameCell(page: Page, key: Key): TemplateResult {
  const open = () => page.open(new DetailsDialog(page, key));
  const name = key.name || String(key.prefix ?? key.id);
  return html`<button type="button" class="link" part="key-name" aria-label=${page.words.say("details_of", { name })} @click=${open}><bdi>${name}</bdi></button>
    <small>${key.prefix ? html`<code>${key.prefix}…</code>` : nothing} ${key.environment ? html`<span class="tag">${key.environment}</span>` : nothing}</small>`;
}

function statusCell(page: Page, key: Key): TemplateResult {
  const end = formerSecrets(key)[0]?.grace_ends_at;
  return html`${statusBadge(page.words, key.status)}${end && key.status === "active" ? html`<small>${page.words.say("former_works", { time: page.format.date(end) })}</small>` : nothing}`;
}

function usedCell({ words, format }: Page, key: Key): TemplateResult {
  const { last_used_at: used, usage_count: count } = key;
  const time = used && html`<time datetime=${used} title=${format.moment(used)}>${format.relative(used)}</time>`;
  return html`${time || html`<span class="muted">${words.say("never_used")}</span>`}${count ? html`<small>${words.say("uses", { count })}</small>` : nothing}`;
}

function actions(page: Page, key: Key): TemplateResult | typeof nothing {
  if (key.status === "revoked") return nothing;
  const { words } = page;
  const name = key.name || String(key.prefix ?? key.id);
  const rotate = () => page.open(new RotateDialog(page, key));
  const revoke = () => page.open(new RevokeDialog(page, key));
  return html`${key.status === "active" ? button(words.say("rotate"), { press: rotate, kind: "quiet", name: words.say("rotate_name", { name }) }) : nothing}
  ${button(words.say("revoke"), { press: revoke, kind: "quiet", name: words.say("revoke_name", { name }) })}`;
}
