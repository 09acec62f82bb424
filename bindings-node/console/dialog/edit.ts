import type { TemplateResult } from "lit-html";
import type { Key } from "../key.js";
import type { Page } from "../page.js";
import type { Fields } from "../spelling.js";
import { ExpiryPicker } from "./expiry.js";
import { KeyForm } from "./form.js";

/** The form for a key that is there. Its secret stays. */
export class EditDialog extends KeyForm {
  readonly #key: Key;

  constructor(page: Page, key: Key) {
    // The end of a key that has expired stays.
    const hasExpiry = key.expires_at !== undefined && key.status !== "expired";
    super(page, key, hasExpiry ? new ExpiryPicker(page, key.expires_at) : null);
    this.#key = key;
  }

  get title(): string {
    return this.page.words.say("edit_title", { name: this.#key.name });
  }

  protected async send(fields: Fields): Promise<void> {
    const { page } = this;
    const key = await page.api.update(this.#key.id, fields);
    page.close();
    page.changed("updated", key, "done_updated");
  }

  render(): TemplateResult {
    return this.settings(this.submitButton(this.page.words.say("save"), "primary"));
  }
}
