import { type TemplateResult, html, nothing } from "lit-html";
import { type Key, type Secret, labelOf } from "../key.js";
import type { Page } from "../page.js";
import { button } from "../parts/button.js";
import { levelText, scopeList, statusBadge } from "../parts/key.js";
import { Dialog } from "./dialog.js";
import { EditDialog } from "./edit.js";
import { RevokeDialog } from "./revoke.js";
import { RotateDialog } from "./rotate.js";

/** Everything about one key, and what can be done with it. */
export class DetailsDialog extends Dialog {
  #key: Key;

  constructor(page: Page, key: Key) {
    super(page);
    this.#key = key;
    void this.run(async () => this.#take(await page.api.get(key.id)));
  }

  get title(): string {
    return labelOf(this.#key);
  }

  #take(key: Key): void {
    this.#key = { ...key, name: key.name || this.#key.name };
    this.page.list.put(this.#key);
  }

  #change(action: "disable" | "enable" | "end-grace"): void {
    const told = { disable: ["disabled", "done_disabled"], enable: ["enabled", "done_enabled"], "end-grace": ["grace-ended", "done_grace"] } as const;
    void this.run(async () => {
      this.#take(await this.page.api.change(this.#key.id, action));
      const [event, word] = told[action];
      this.page.changed(event, this.#key, word);
    });
  }

  render(): TemplateResult {
    const { words } = this.page;
    return html`<div>
      ${this.#key.description ? html`<p class="description" dir="auto">${this.#key.description}</p>` : nothing}
      <dl>${this.#facts()}</dl>
      ${this.#secrets()}
      ${this.footer([this.page.canManage ? this.#actions() : nothing, button(words.say("close"), { press: () => this.page.close(), hasFocus: true })])}
    </div>`;
  }

  #facts(): TemplateResult[] {
    const { words, format } = this.page;
    const key = this.#key;
    const moment = (time: string | null | undefined) => time && html`${format.moment(time)} <small>${format.relative(time)}</small>`;
    const facts: [string, unknown][] = [
      [words.say("status"), html`${statusBadge(words, key.status)} ${key.reason ? html`<small>${words.say("reason")}: <bdi>${key.reason}</bdi></small>` : nothing}`],
      [words.say("prefix"), key.prefix && html`<code>${key.prefix}…</code>`],
      [words.say("environment"), key.environment && html`<bdi>${key.environment}</bdi>`],
      [words.say("scopes"), key.scopes && scopeList(words, key.scopes, Infinity)],
      [words.say("level"), key.level && levelText(words, key.level)],
      [words.say("tier"), key.tier && html`<bdi>${key.tier}</bdi>`],
      [words.say("networks"), key.networks === null ? words.say("any_network") : key.networks?.map((it) => html`<code>${it}</code> `)],
      [words.say("column_expires"), key.expires_at === undefined ? undefined : (moment(key.expires_at) ?? words.say("never_expires"))],
      [words.say("column_used"), key.last_used_at === undefined ? undefined : (moment(key.last_used_at) ?? words.say("never_used"))],
      [words.say("usage"), key.usage_count === undefined ? undefined : html`${words.say("uses", { count: key.usage_count })}${key.denied_count ? html`, ${words.say("denied", { count: key.denied_count })}` : nothing}`],
      [words.say("created"), moment(key.created_at)],
      [words.say("created_by"), key.created_by && html`<bdi>${key.created_by}</bdi>`],
      [words.say("key_id"), html`<code>${key.id}</code>`],
    ];
    return facts.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`);
  }

  #secrets(): TemplateResult | typeof nothing {
    const { words } = this.page;
    const secrets = this.#key.secrets ?? [];
    if (secrets.length === 0) return nothing;
    return html`<section>
      <h3>${words.say("secrets")}</h3>
      <ul class="secrets">${secrets.map((secret) => this.#secret(secret))}</ul>
    </section>`;
  }

  #secret(secret: Secret): TemplateResult {
    const { words, format, canManage } = this.page;
    const end = secret.grace_ends_at;
    const isLive = end && Date.parse(end) > Date.now();
    const state = !end ? words.say("secret_current") : isLive ? words.say("secret_former", { time: format.moment(end) }) : words.say("secret_ended");
    return html`<li>
      <span><code>${secret.prefix ?? ""}…</code> ${state}<br /><small>${secret.last_used_at ? words.say("used", { time: format.relative(secret.last_used_at) }) : words.say("never_used")}</small></span>
      ${isLive && canManage ? button(words.say("end_grace"), { press: () => this.#change("end-grace"), isBusy: this.isBusy }) : nothing}
    </li>`;
  }

  #actions(): TemplateResult | typeof nothing {
    const { words } = this.page;
    const key = this.#key;
    if (key.status === "revoked") return nothing;
    const { isBusy } = this;
    // One button, so that the focus stays on it.
    const change = key.status === "disabled" ? "enable" : key.status === "active" ? "disable" : null;
    return html`
      ${button(words.say("revoke"), { press: () => this.page.open(new RevokeDialog(this.page, key)), kind: "quiet-danger" })}
      ${change ? button(words.say(change), { press: () => this.#change(change), isBusy }) : nothing}
      ${button(words.say("edit"), { press: () => this.page.open(new EditDialog(this.page, key)), isDisabled: isBusy })}
      ${key.status === "active" ? button(words.say("rotate"), { press: () => this.page.open(new RotateDialog(this.page, key)) }) : nothing}
    `;
  }
}
