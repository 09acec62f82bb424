import { type TemplateResult, html, nothing } from "lit-html";
import type { Page } from "../page.js";
import type { Word } from "../words.js";
import { LEVELS } from "../parts/key.js";
import { KeyForm, textOf } from "./form.js";
import { issue, newAttempt } from "./issue.js";

const DAY = 86_400_000;

/** The form for a new key. */
export class CreateDialog extends KeyForm {
  /** Days, `date` for the date below, or `never`. */
  #expiry: string;
  #date = "";

  constructor(page: Page) {
    super(page, { description: null, scopes: [], networks: null });
    this.#expiry = String(page.choices.defaultExpiry || "never");
  }

  get title(): string {
    return this.page.words.say("create_title");
  }

  protected override check(given: FormData): string {
    return super.check(given) || (this.#expiry === "date" && !(this.#end > Date.now()) ? "date" : "");
  }

  protected async send(given: FormData): Promise<void> {
    const { api } = this.page;
    const fields = this.fields(given);
    const body = await api.body({
      ...fields,
      level: textOf(given, "level"),
      environment: textOf(given, "environment"),
      tier: textOf(given, "tier"),
      expires_in_days: /^\d+$/.test(this.#expiry) ? Number(this.#expiry) : undefined,
      expires_at: this.#expiry === "date" ? new Date(this.#end).toISOString() : undefined,
    });
    await issue(this.page, newAttempt("create", api.connection.keys, body, fields["name"] as string, false));
  }

  /** When the key expires: on a date it works until that day ends here. */
  get #end(): number {
    return this.#expiry === "date" ? new Date(`${this.#date}T23:59:59`).getTime() : Date.now() + Number(this.#expiry) * DAY;
  }

  render(): TemplateResult {
    const { words, choices } = this.page;
    const content = html`${this.names()}
      <div class="pair">
        ${this.#expiration()}
        ${choices.environments.length > 0 ? this.#select("environment", choices.environments) : nothing}
        ${choices.tiers.length > 0 ? this.#select("tier", choices.tiers) : nothing}
      </div>
      ${choices.fields.includes("level") ? this.#levels() : nothing}
      ${this.rights()}`;
    return this.form((form) => this.submit(form), content, html`${this.cancelButton()}${this.submitButton(words.say("create"), "primary")}`);
  }

  #expiration(): TemplateResult {
    const { words, format, choices } = this.page;
    const isWrong = this.wrong === "date";
    const choose = (event: Event) => {
      this.#expiry = (event.target as HTMLSelectElement).value;
      this.page.show();
    };
    const pick = (event: Event) => {
      this.#date = (event.target as HTMLInputElement).value;
      this.wrong = "";
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
}
