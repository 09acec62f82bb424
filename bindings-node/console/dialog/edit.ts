import { type TemplateResult, html } from "lit-html";
import type { Key } from "../key.js";
import type { Page } from "../page.js";
import { KeyForm } from "./form.js";

/** The form for a key that is there. Its secret stays. */
export class EditDialog extends KeyForm {
  readonly #key: Key;

  constructor(page: Page, key: Key) {
    super(page, key);
    this.#key = key;
  }

  get title(): string {
    return this.page.words.say("edit_title", { name: this.#key.name });
  }

  protected async send(given: FormData): Promise<void> {
    const { page } = this;
    const key = await page.api.update(this.#key.id, this.fields(given));
    page.close();
    page.changed("updated", key, "done_updated");
  }

  render(): TemplateResult {
    return this.form(
      (form) => this.submit(form),
      html`${this.names()}${this.rights()}`,
      html`${this.cancelButton()}${this.submitButton(this.page.words.say("save"), "primary")}`,
    );
  }
}
