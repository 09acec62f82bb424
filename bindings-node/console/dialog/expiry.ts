import { type TemplateResult, html, nothing } from "lit-html";
import type { Page } from "../page.js";
import type { Fields } from "../spelling.js";

const DAY = 86_400_000;

/** The choice of when a key expires. */
export class ExpiryPicker {
  readonly #page: Page;
  /** The expiry of a key that is there, and null for none; undefined for a new key. */
  readonly #present: string | null | undefined;
  /** Days, `date` for the date below, `never`, or `kept` for the present expiry. */
  #choice: string;
  #date = "";
  #isWrong = false;

  constructor(page: Page, present?: string | null) {
    this.#page = page;
    this.#present = present;
    this.#choice = present === undefined ? String(page.choices.defaultExpiry || "never") : "kept";
  }

  /** When the key expires: on a date it works until that day ends here. NaN for never, and for what is no date. */
  get #end(): number {
    const choice = this.#choice;
    if (choice === "date") return new Date(`${this.#date}T23:59:59`).getTime();
    return choice === "kept" ? Date.parse(this.#present ?? "") : Date.now() + Number(choice) * DAY;
  }

  /** The arguments that the choice stands for; null, and a word about it, for a date that is none or past. */
  read(): Fields | null {
    this.#isWrong = this.#choice === "date" && !(this.#end > Date.now());
    if (this.#isWrong) return null;
    switch (this.#choice) {
      case "kept":
        return {};
      case "never":
        return { expires_at: this.#present && null };
      case "date":
        return { expires_at: new Date(this.#end).toISOString() };
      default:
        return { expires_in_days: Number(this.#choice) };
    }
  }

  render(): TemplateResult {
    const { words, format, choices } = this.#page;
    const isWrong = this.#isWrong;
    const days = [...new Set([...choices.expiries, choices.defaultExpiry])].filter(Boolean).sort((a, b) => a - b);
    const choose = (event: Event) => {
      this.#choice = (event.target as HTMLSelectElement).value;
      this.#page.show();
    };
    const pick = (event: Event) => {
      this.#date = (event.target as HTMLInputElement).value;
      this.#isWrong = false;
      this.#page.show();
    };
    const option = (value: string, text: string) => html`<option value=${value} ?selected=${this.#choice === value}>${text}</option>`;
    const end = this.#end;
    const isNever = this.#choice === "never" || (this.#choice === "kept" && !this.#present);
    const told = isNever ? words.say("expiry_never_text") : Number.isNaN(end) ? "" : words.say("expiry_on", { date: format.date(end) });
    return html`<div class="field">
      <label for="expiry">${words.say("expiry")}</label>
      <select part="input" id="expiry" aria-describedby="expiry-told" @change=${choose}>
        ${this.#present === undefined ? nothing : option("kept", words.say("expiry_kept"))}
        ${days.map((count) => option(String(count), words.say("days", { count })))}
        ${option("date", words.say("expiry_custom"))} ${option("never", words.say("never_expires"))}
      </select>
      ${this.#choice === "date"
        ? html`<input part="input" type="date" name="expiry" min=${new Date().toLocaleDateString("sv")} aria-label=${words.say("expiry_date")} aria-invalid=${isWrong} @input=${pick} />`
        : nothing}
      <small id="expiry-told" class=${isWrong ? "wrong" : isNever ? "caution" : ""} role="status">${isWrong ? words.say("expiry_missing") : told}</small>
    </div>`;
  }
}
