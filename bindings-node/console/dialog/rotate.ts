import { type TemplateResult, html, nothing } from "lit-html";
import { type Key, formerSecrets } from "../key.js";
import type { Page } from "../page.js";
import { button } from "../parts/button.js";
import { Dialog } from "./dialog.js";
import { issue, newAttempt } from "./issue.js";

const HOUR = 3_600_000;

/** Asks when the current secret is to stop, and makes a new one. */
export class RotateDialog extends Dialog {
  #key: Key;
  /** Hours, 0 for at once. */
  #grace: number;

  constructor(page: Page, key: Key) {
    super(page);
    this.#key = key;
    this.#grace = this.#hasFormer ? 0 : page.choices.graces.includes(24) ? 24 : (page.choices.graces[0] ?? 0);
    void this.#refresh();
  }

  get title(): string {
    return this.page.words.say("rotate_title", { name: this.#key.name });
  }

  get #hasFormer(): boolean {
    return formerSecrets(this.#key).length > 0;
  }

  /** A list may show less of a key than one answer about it, and both may be old. */
  async #refresh(): Promise<void> {
    await this.run(async () => {
      const key = await this.page.api.get(this.#key.id);
      this.#key = { ...key, name: key.name || this.#key.name };
      if (this.#hasFormer) this.#grace = 0;
    });
  }

  #endFormer(): void {
    void this.run(async () => {
      const key = await this.page.api.change(this.#key.id, "end-grace");
      // All choices are there again, and the usual one is chosen.
      this.page.open(new RotateDialog(this.page, key));
      this.page.changed("grace-ended", key, "done_grace");
    });
  }

  async #rotate(): Promise<void> {
    const { api } = this.page;
    const body = await api.body(this.#grace === 0 ? { grace: 0, reason: "compromised" } : { grace: `${this.#grace}h` });
    await issue(this.page, newAttempt("rotate", api.keyUrl(this.#key.id, "rotate"), body, this.#key.name, this.#grace > 0));
  }

  render(): TemplateResult {
    const { words, format, choices } = this.page;
    const used = this.#key.secrets?.at(0)?.last_used_at ?? this.#key.last_used_at;
    const content = html`<p>${words.say("rotate_text")} ${used ? words.say("rotate_used", { time: format.relative(used) }) : words.say("rotate_unused")}</p>
      ${this.#former()}
      <fieldset>
        <legend>${words.say("rotate_when")}</legend>
        ${this.#hasFormer ? nothing : choices.graces.map((hours) => this.#choice(hours))}
        ${this.#choice(0)}
      </fieldset>`;
    const go = this.#grace > 0 ? this.submitButton(words.say("rotate_go"), "primary") : this.submitButton(words.say("rotate_go_now"), "danger");
    return this.form(() => void this.run(() => this.#rotate()), content, html`${this.cancelButton()}${go}`);
  }

  #choice(hours: number): TemplateResult {
    const { words, format } = this.page;
    const choose = () => {
      this.#grace = hours;
      this.page.show();
    };
    const end = format.moment(Date.now() + hours * HOUR);
    return html`<label class="choice ${hours === 0 ? "leaked" : ""}">
      <input type="radio" name="grace" .checked=${this.#grace === hours} ?autofocus=${this.#grace === hours} @change=${choose} />
      <span>
        ${hours === 0 ? words.say("rotate_now") : words.say("rotate_grace", { time: duration(words.lang, hours) })}
        <small>${hours === 0 ? words.say("rotate_now_text") : words.say("rotate_grace_text", { time: end })}</small>
      </span>
    </label>`;
  }

  #former(): TemplateResult | typeof nothing {
    const { words, format } = this.page;
    const [secret] = formerSecrets(this.#key);
    if (!secret?.grace_ends_at) return nothing;
    const { last_used_at: used } = secret;
    return html`<div class="notice" part="notice">
      <p>
        ${words.say("rotate_former", { time: format.moment(secret.grace_ends_at) })}
        ${used ? words.say("rotate_former_used", { time: format.relative(used) }) : words.say("unused")}
        ${words.say("rotate_former_only")}
      </p>
      ${button(words.say("end_grace"), { press: () => this.#endFormer(), isBusy: this.isBusy })}
    </div>`;
  }
}

/** "24 hours", "7 days". */
function duration(lang: string, hours: number): string {
  const [value, unit] = hours > 24 && hours % 24 === 0 ? [hours / 24, "day"] : [hours, "hour"];
  return new Intl.NumberFormat(lang, { style: "unit", unit: unit as string, unitDisplay: "long" }).format(value as number);
}
