import { type TemplateResult, html, noChange, nothing } from "lit-html";
import { DetailsDialog } from "../dialog/details.js";
import { RevokeDialog } from "../dialog/revoke.js";
import { RotateDialog } from "../dialog/rotate.js";
import { type Key, formerSecrets, labelOf } from "../key.js";
import type { Page } from "../page.js";
import { expiryOf, levelText, scopeList, statusBadge } from "../parts/key.js";
import type { Word } from "../words.js";

/** Which columns the host shows. */
interface Columns {
  hasScopes: boolean;
  hasUse: boolean;
  hasExpiry: boolean;
}

const DIALOGS = { details: DetailsDialog, rotate: RotateDialog, revoke: RevokeDialog };

/** Rows in a group. A browser neither styles nor lays out the groups that are far from the window. */
const GROUP = 10;
/** The cost of a new row, where 1 is a row that is patched. */
const NEW_ROW = 10;

/** The keys. Roles stand on each part, because its layout is not a table's: narrow pages show cards. */
export function table(page: Page, keys: Key[]): TemplateResult {
  const { words, canManage } = page;
  const shows = (field: keyof Key) => keys.some((key) => key[field] !== undefined);
  const columns = { hasScopes: shows("scopes"), hasUse: shows("last_used_at") || shows("usage_count"), hasExpiry: shows("expires_at") };
  const state = [Math.floor(Date.now() / 60_000), canManage, words, ...Object.values(columns)];
  const groups: unknown[] = [];
  const tbody = (rows: unknown, kind = "") => html`<tbody role="rowgroup" class=${kind}>${rows}</tbody>`;
  for (let at = 0; at * GROUP < keys.length; at += 1) {
    const group = keys.slice(at * GROUP, (at + 1) * GROUP);
    const before = page.groups[at];
    const now = [...state, ...group];
    // A group is rendered again when a key in it changes, or the minute that its times count from.
    const isSame = before?.length === now.length && now.every((value, at) => value === before[at]);
    if (!isSame && page.pace.allows(group.length * (before ? 1 : NEW_ROW))) {
      page.groups[at] = now;
      groups.push(tbody(group.map((key) => row(page, columns, key))));
    } else if (before) groups.push(noChange);
    else break;
  }
  // Groups without a key are hidden at once and removed bit by bit.
  let kept = page.groups.length;
  while (kept > groups.length && page.pace.allows(GROUP)) kept -= 1;
  page.groups.length = kept;
  page.groups.fill([], groups.length);
  while (groups.length < kept) groups.push(tbody(noChange, "gone"));
  const head = (name: Word, kind: string, isShown = true) => html`<th role="columnheader" scope="col" class=${kind} ?hidden=${!isShown}>${words.say(name)}</th>`;
  // One listener for all rows.
  const press = ({ target }: Event) => {
    const name = (target as Element).closest<HTMLElement>("[data-opens]")?.dataset["opens"];
    const row = (target as Element).closest<HTMLElement & { key: Key }>("tbody tr");
    if (name && row) page.open(new DIALOGS[name as keyof typeof DIALOGS](page, row.key));
  };
  return html`<table part="table" role="table" aria-label=${words.say("title")} @click=${press}>
    <thead role="rowgroup">
      <tr role="row">
        ${head("name", "name")} ${head("scopes", "scopes", columns.hasScopes)} ${head("status", "status")} ${head("column_used", "used", columns.hasUse)}
        ${head("column_expires", "expires", columns.hasExpiry)}
        ${canManage ? html`<th role="columnheader" scope="col" class="actions"><span class="off-screen">${words.say("column_actions")}</span></th>` : nothing}
      </tr>
    </thead>
    ${groups}
  </table>`;
}

/** One template for almost all of a row: a browser makes it by one copy. */
function row(page: Page, { hasScopes, hasUse, hasExpiry }: Columns, key: Key): TemplateResult {
  const { words, format, canManage } = page;
  const { prefix, environment, status, level, last_used_at: used, usage_count: count, created_at: created } = key;
  const name = labelOf(key);
  const graceEnd = status === "active" ? formerSecrets(key)[0]?.grace_ends_at : null;
  const expiry = expiryOf(page, key);
  return html`<tr role="row" part="row" class=${status} .key=${key}>
    <td role="cell" part="cell" class="name">
      <button type="button" class="link" part="key-name" data-opens="details" aria-label=${words.say("details_of", { name })}><bdi>${name}</bdi></button>
      <small><code>${prefix ? `${prefix}…` : ""}</code> <span class="tag" ?hidden=${!environment}>${environment}</span></small>
    </td>
    <td role="cell" part="cell" class="scopes" data-label=${words.say("scopes")} ?hidden=${!hasScopes}>${scopeList(words, key.scopes ?? [], 2)}<small>${level ? levelText(words, level) : nothing}</small></td>
    <td role="cell" part="cell" class="status" data-label=${words.say("status")}>${statusBadge(words, status)}<small>${graceEnd ? words.say("former_works", { time: format.date(graceEnd) }) : nothing}</small></td>
    <td role="cell" part="cell" class="used" data-label=${words.say("column_used")} ?hidden=${!hasUse}>
      <span class=${used ? "" : "muted"} title=${used ? format.moment(used) : nothing}>${used ? format.relative(used) : words.say("never_used")}</span>
      <small>${count ? words.say("uses", { count }) : nothing}</small>
    </td>
    <td role="cell" part="cell" class="expires" data-label=${words.say("column_expires")} ?hidden=${!hasExpiry}>
      <span class=${expiry.isSoon ? "soon" : ""} title=${expiry.moment || nothing}>${expiry.text}</span>
      <small>${created ? words.say("created_on", { date: format.date(created) }) : nothing}</small>
    </td>
    ${canManage ? actions(page, key, name) : nothing}
  </tr>`;
}

function actions({ words }: Page, { status }: Key, name: string): TemplateResult {
  return html`<td role="cell" part="cell" class="actions">
    <button type="button" class="quiet" part="button quiet-button" data-opens="rotate" aria-label=${words.say("rotate_name", { name })} ?hidden=${status !== "active"}>${words.say("rotate")}</button>
    <button type="button" class="quiet" part="button quiet-button" data-opens="revoke" aria-label=${words.say("revoke_name", { name })} ?hidden=${status === "revoked"}>${words.say("revoke")}</button>
  </td>`;
}
