import { type TemplateResult, html } from "lit";
import type { Attempt } from "../attempts.js";
import { reissue } from "../issue.js";
import type { Page } from "../page.js";
import { button } from "../view/button.js";
import { Dialog } from "./dialog.js";
import { orUncertain } from "./uncertain.js";

/** A key whose secret was lost on the way. */
export class LostDialog extends Dialog {
  readonly #attempt: Attempt;

  constructor(page: Page, attempt: Attempt) {
    super(page);
    this.#attempt = attempt;
  }

  get title(): string {
    return this.page.words.say("lost_title");
  }

  override closed(): void {
    this.page.attempts.leave(this.#attempt.id);
    void this.page.reload();
  }

  render(): TemplateResult {
    const { words } = this.page;
    const { kind, key, name } = this.#attempt;
    const again = (event: Event) => {
      event.preventDefault();
      if (key !== undefined) void this.run(() => orUncertain(this.page, () => reissue(this.page, this.#attempt, key)));
    };
    const revoke = () =>
      void this.run(async () => {
        if (key === undefined) return;
        await this.page.api.revoke(key);
        this.page.attempts.end(this.#attempt.id);
        this.page.close();
      });
    return html`<form @submit=${again}>
      <p>${words.say(kind === "create" ? "lost_text" : "lost_rotated_text", { name })}</p>
      ${this.notice()}
      <div class="buttons">
        ${kind === "create"
          ? button(words.say("revoke_go"), { press: revoke, kind: "quiet-danger", isDisabled: this.isBusy })
          : this.cancelButton()}
        ${this.submitButton(words.say("lost_get"), "primary")}
      </div>
    </form>`;
  }
}
