import { type TemplateResult, html, nothing } from "lit";
import type { Page } from "../page.js";
import { Trouble } from "../trouble.js";
import type { Word } from "../words.js";
import { button } from "../parts/button.js";
import { Dialog } from "./dialog.js";
import { issue, newAttempt } from "./issue.js";
import { ScopePicker } from "./scopes.js";

const DAY = 86_400_000;
const LEVELS = ["read", "read_write", "full"];

/** The form for a new key. */
export class CreateDialog extends Dialog {
  /** Days, `date` for the date below, or `never`. */
  #expiry: string;
  #date = "";
  #wrong: "name" | "date" | null = null;
  #scopes: ScopePicker | null = null;
  #scopesTrouble: Trouble | null = null;

  constructor(page: Page) {
    super(page);
    this.#expiry = String(page.choices.defaultExpiry || "never");
    void this.#load();
  }

  get title(): string {
    return this.page.words.say("create_title");
  }

  async #load(): Promise<void> {
    this.#scopesTrouble = null;
    try {
      this.#scopes = new ScopePicker(this.page, await this.page.api.scopes());
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.#scopesTrouble = error;
    }
    this.page.show();
  }

  #create(form: HTMLFormElement): void {
    const fields = Object.fromEntries(new FormData(form)) as Record<string, string | undefined>;
    const name = fields["name"]?.trim() ?? "";
    this.#wrong = name === "" ? "name" : this.#expiry === "date" && !(this.#end > Date.now()) ? "date" : null;
    this.page.show();
    if (this.#wrong) {
      (form.elements.namedItem(this.#wrong) as HTMLElement | null)?.focus();
      return;
    }
    void this.run(() => this.#send(name, fields));
  }

  async #send(name: string, fields: Record<string, string | undefined>): Promise<void> {
    const { api } = this.page;
    const networks = fields["networks"]?.split(/[\s,;]+/).filter(Boolean) ?? [];
    const body = await api.body({
      name,
      description: fields["description"]?.trim() || undefined,
      scopes: this.#scopes?.chosen,
      level: fields["level"],
      environment: fields["environment"],
      tier: fields["tier"],
      networks: networks.length > 0 ? networks : undefined,
      expires_in_days: /^\d+$/.test(this.#expiry) ? Number(this.#expiry) : undefined,
      expires_at: this.#expiry === "date" ? new Date(this.#end).toISOString() : undefined,
    });
    await issue(this.page, newAttempt("create", api.connection.keys, body, name, false));
  }

  /** When the key expires: on a date it works until that day ends here. */
  get #end(): number {
    return this.#expiry === "date" ? new Date(`${this.#date}T23:59:59`).getTime() : Date.now() + Number(this.#expiry) * DAY;
  }

  render(): TemplateResult {
    const { words, choices } = this.page;
    const content = html`${this.#name()}
      <div class="field">
        <label for="description">${words.say("description")} <small>${words.say("optional")}</small></label>
        <textarea part="input" id="description" name="description" rows="1" maxlength="1000" dir="auto"></textarea>
      </div>
      <div class="pair">
        ${this.#expiration()}
        ${choices.environments.length > 0 ? this.#select("environment", choices.environments) : nothing}
        ${choices.tiers.length > 0 ? this.#select("tier", choices.tiers) : nothing}
      </div>
      ${choices.fields.includes("level") ? this.#levels() : nothing}
      ${this.#permissions()}
      ${choices.fields.includes("networks")
        ? html`<div class="field">
            <label for="networks">${words.say("networks")} <small>${words.say("optional")}</small></label>
            <textarea part="input" id="networks" name="networks" rows="2" spellcheck="false" aria-describedby="networks-hint"></textarea>
            <small id="networks-hint">${words.say("networks_hint")}</small>
          </div>`
        : nothing}`;
    return this.form((form) => this.#create(form), content, html`${this.cancelButton()}${this.submitButton(words.say("create"), "primary")}`);
  }

  #name(): TemplateResult {
    const { words } = this.page;
    const isWrong = this.#wrong === "name";
    return html`<div class="field">
      <label for="name">${words.say("name")}</label>
      <input part="input" id="name" name="name" autocomplete="off" maxlength="200" dir="auto" autofocus required aria-invalid=${isWrong} aria-describedby="name-hint" />
      <small id="name-hint" class=${isWrong ? "wrong" : ""} role=${isWrong ? "alert" : nothing}>${words.say(isWrong ? "name_missing" : "name_hint")}</small>
    </div>`;
  }

  #expiration(): TemplateResult {
    const { words, format, choices } = this.page;
    const isWrong = this.#wrong === "date";
    const choose = (event: Event) => {
      this.#expiry = (event.target as HTMLSelectElement).value;
      this.page.show();
    };
    const pick = (event: Event) => {
      this.#date = (event.target as HTMLInputElement).value;
      this.#wrong = null;
      this.page.show();
    };
    const option = (value: string, text: string) => html`<option value=${value} ?selected=${this.#expiry === value}>${text}</option>`;
    const end = this.#end;
    const told = this.#expiry === "never" ? words.say("expiry_never_text") : Number.isNaN(end) ? "" : words.say("expiry_on", { date: format.date(end) });
    return html`<div class="field">
      <label for="expiry">${words.say("expiry")}</label>
      <select part="input" id="expiry" aria-describedby="expiry-told" @change=${choose}>
        ${choices.expiries.map((count) => option(String(count), words.say("days", { count })))}
        ${option("date", words.say("expiry_custom"))} ${option("never", words.say("never_expires"))}
      </select>
      ${this.#expiry === "date"
        ? html`<input part="input" type="date" name="date" min=${new Date().toLocaleDateString("sv")} aria-label=${words.say("expiry_date")} aria-invalid=${isWrong} @input=${pick} />`
        : nothing}
      <small id="expiry-told" class=${isWrong ? "wrong" : this.#expiry === "never" ? "caution" : ""} role="status">${isWrong ? words.say("expiry_missing") : told}</small>
    </div>`;
  }

  #select(name: "environment" | "tier", options: string[]): TemplateResult {
    return html`<div class="field">
      <label for=${name}>${this.page.words.say(name)}</label>
      <select part="input" id=${name} name=${name}>${options.map((option) => html`<option>${option}</option>`)}</select>
    </div>`;
  }

  #levels(): TemplateResult {
    const { words } = this.page;
    return html`<fieldset>
      <legend>${words.say("level")}</legend>
      ${LEVELS.map(
        (level, at) => html`<label class="choice">
          <input type="radio" name="level" value=${level} ?checked=${at === 0} />
          <span>${words.say(`level_${level}` as Word)} <small>${words.say(`level_${level}_text` as Word)}</small></span>
        </label>`,
      )}
    </fieldset>`;
  }

  #permissions(): TemplateResult | typeof nothing {
    const { words } = this.page;
    if (this.#scopes) return this.#scopes.render();
    if (!this.#scopesTrouble) return nothing;
    return html`<div class="notice" part="notice" role="alert">
      <p>${words.say("scopes_failed")}</p>
      ${button(words.say("retry"), { press: () => void this.#load() })}
    </div>`;
  }
}
