import { type TemplateResult, html, nothing } from "lit-html";
import { type Key, labelOf } from "../key.js";
import type { Page } from "../page.js";
import { Dialog } from "./dialog.js";

/** Asks for the name of a key, and revokes it. */
export class RevokeDialog extends Dialog {
  readonly #key: Key;
  #typed = "";
  #isWrong = false;

  constructor(page: Page, key: Key) {
    super(page);
    this.#key = key;
  }

  get title(): string {
    return this.page.words.say("revoke_title", { name: labelOf(this.#key) });
  }

  #revoke(form: HTMLFormElement): void {
    this.#isWrong = typeable(this.#typed) !== typeable(labelOf(this.#key));
    this.page.show();
    if (this.#isWrong) {
      form.querySelector("input")?.focus();
      return;
    }
    void this.run(() => this.page.revoke(this.#key));
  }

  render(): TemplateResult {
    const { words, format } = this.page;
    const { last_used_at: used } = this.#key;
    const type = (event: Event) => {
      this.#typed = (event.target as HTMLInputElement).value;
    };
    const content = html`<p>${words.say("revoke_text")}</p>
      <p>${used ? words.say("revoke_used", { time: format.relative(used) }) : words.say("unused")}</p>
      <div class="field">
        <label for="confirmation">${words.say("revoke_confirm", { name: labelOf(this.#key) })}</label>
        <input part="input" id="confirmation" autocomplete="off" autocapitalize="off" spellcheck="false" dir="auto" autofocus aria-invalid=${this.#isWrong}
          aria-describedby=${this.#isWrong ? "confirmation-error" : nothing} @input=${type} />
        ${this.#isWrong ? html`<small class="wrong" id="confirmation-error" role="alert">${words.say("revoke_wrong")}</small>` : nothing}
      </div>`;
    return this.form((form) => this.#revoke(form), content, html`${this.cancelButton()}${this.submitButton(words.say("revoke_go"), "danger")}`);
  }
}

/** A name as people can type it: without what is not seen, and in one form of its letters. */
function typeable(text: string): string {
  return text.normalize("NFC").replace(/\p{Cf}/gu, "").replace(/\s+/gu, " ").trim();
}
