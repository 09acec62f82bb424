import { type TemplateResult, html } from "lit";
import { Unanswered, issue } from "../issue.js";
import type { Page } from "../page.js";
import { Dialog } from "./dialog.js";

/** Nobody knows whether a request was done. It is sent again until somebody does. */
export class UncertainDialog extends Dialog {
  readonly #unanswered: Unanswered;

  constructor(page: Page, unanswered: Unanswered) {
    super(page);
    this.#unanswered = unanswered;
    this.trouble = unanswered.trouble;
  }

  get title(): string {
    return this.page.words.say("uncertain_title");
  }

  override closed(): void {
    this.page.attempts.leave(this.#unanswered.attempt.id);
    void this.page.reload();
  }

  render(): TemplateResult {
    const { words } = this.page;
    const { attempt } = this.#unanswered;
    const check = (event: Event) => {
      event.preventDefault();
      void this.run(() => orUncertain(this.page, () => issue(this.page, attempt, true)));
    };
    return html`<form @submit=${check}>
      <p>${words.say("uncertain_text", { name: attempt.name })}</p>
      ${this.notice()}
      <div class="buttons">${this.cancelButton()}${this.submitButton(words.say("uncertain_check"), "primary")}</div>
    </form>`;
  }
}

/** Does something that makes a secret, and asks people to check when nobody knows whether it was done. */
export async function orUncertain(page: Page, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    page.open(new UncertainDialog(page, error));
  }
}
