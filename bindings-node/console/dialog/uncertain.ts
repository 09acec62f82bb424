import { type TemplateResult, html } from "lit-html";
import type { Page } from "../page.js";
import type { Trouble } from "../trouble.js";
import { Dialog } from "./dialog.js";

/** Nobody knows whether a request was done. It is sent again until somebody does. */
export class UncertainDialog extends Dialog {
  readonly #name: string;
  readonly #check: () => Promise<void>;

  constructor(page: Page, name: string, trouble: Trouble | null, check: () => Promise<void>) {
    super(page);
    this.#name = name;
    this.#check = check;
    this.trouble = trouble;
  }

  get title(): string {
    return this.page.words.say("uncertain_title");
  }

  override closed(): void {
    void this.page.reload();
  }

  check(): void {
    void this.run(this.#check);
  }

  render(): TemplateResult {
    const { words } = this.page;
    return this.form(
      () => this.check(),
      html`<p>${words.say("uncertain_text", { name: this.#name })}</p>`,
      html`${this.cancelButton()}${this.submitButton(words.say("uncertain_check"), "primary")}`,
    );
  }
}
