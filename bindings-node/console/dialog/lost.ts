import { type TemplateResult, html, nothing } from "lit-html";
import type { Attempt } from "../attempts.js";
import type { Key } from "../key.js";
import type { Page } from "../page.js";
import { button } from "../parts/button.js";
import type { Word } from "../words.js";
import { Dialog } from "./dialog.js";

/** The message about a key whose secret nobody may have. */
export function lostWord({ kind, state }: Attempt): Word {
  return state === "shown" ? "orphan_shown" : kind === "create" ? "lost_text" : "lost_rotated_text";
}

/** A key whose secret was lost on the way, or shown to nobody who says to have saved it. */
export class LostDialog extends Dialog {
  readonly #attempt: Attempt;
  readonly #id: Key["id"];
  readonly #again: () => Promise<void>;

  constructor(page: Page, attempt: Attempt, id: Key["id"], again: () => Promise<void>) {
    super(page);
    this.#attempt = attempt;
    this.#id = id;
    this.#again = again;
  }

  get title(): string {
    return this.page.words.say(this.#attempt.state === "shown" ? "lost_get" : "lost_title");
  }

  override closed(): void {
    void this.page.reload();
  }

  #revoke(): void {
    void this.run(async () => {
      await this.page.revoke(await this.page.api.get(this.#id));
      this.page.attempts.end(this.#attempt.id);
    });
  }

  render(): TemplateResult {
    const { words } = this.page;
    const { kind, name } = this.#attempt;
    return this.form(
      () => void this.run(this.#again),
      html`<p>${words.say(lostWord(this.#attempt), { name })}</p>`,
      html`${kind === "create" ? button(words.say("revoke_go"), { press: () => this.#revoke(), kind: "quiet-danger", isDisabled: this.isBusy }) : nothing}
        ${this.cancelButton()} ${this.submitButton(words.say("lost_get"), "primary")}`,
    );
  }
}
