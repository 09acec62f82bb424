import type { TemplateResult } from "lit-html";
import type { Page } from "../page.js";
import type { Fields } from "../spelling.js";
import { ExpiryPicker } from "./expiry.js";
import { KeyForm } from "./form.js";
import { issue, newAttempt } from "./issue.js";

/** The form for a new key. */
export class CreateDialog extends KeyForm {
  constructor(page: Page) {
    super(page, { description: null, scopes: [], level: "read", tier: page.choices.tiers[0] ?? null, networks: null }, new ExpiryPicker(page));
  }

  get title(): string {
    return this.page.words.say("create_title");
  }

  protected async send(fields: Fields): Promise<void> {
    const { api } = this.page;
    await issue(this.page, newAttempt("create", api.connection.keys, await api.body(fields), fields["name"] as string, false));
  }

  render(): TemplateResult {
    const { words, choices } = this.page;
    return this.settings(this.submitButton(words.say("create"), "primary"), choices.environments);
  }
}
