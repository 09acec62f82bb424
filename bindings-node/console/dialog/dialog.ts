import { type TemplateResult, nothing } from "lit";
import type { Page } from "../page.js";
import { Trouble } from "../trouble.js";
import { button } from "../view/button.js";
import { troubleNotice } from "../view/trouble.js";

/** A modal dialog of the page. There is one at a time. */
export abstract class Dialog {
  protected readonly page: Page;
  protected isBusy = false;
  protected trouble: Trouble | null = null;

  constructor(page: Page) {
    this.page = page;
  }

  abstract get title(): string;
  abstract render(): TemplateResult;

  /** Whether Esc may close it. */
  get mayClose(): boolean {
    return !this.isBusy;
  }

  /** Hears that somebody tried to close it when that is not possible. */
  refuseToClose(): void {}

  /** Hears that it was closed. */
  closed(): void {}

  /** Does one thing at a time, however often a button is pressed, and shows what went wrong. */
  protected async run(work: () => Promise<void>): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    this.trouble = null;
    this.page.show();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.trouble = error;
      this.page.noticed(error);
      if (error.kind === "missing") void this.page.reload();
    } finally {
      this.isBusy = false;
      this.page.show();
    }
  }

  protected notice(): TemplateResult | typeof nothing {
    return this.trouble ? troubleNotice(this.page, this.trouble) : nothing;
  }

  /** Whether the server asked to wait, and the time is not over. */
  protected get mustWait(): boolean {
    return (this.trouble?.retryAt ?? 0) > Date.now();
  }

  protected cancelButton(): TemplateResult {
    return button(this.page.words.say("cancel"), { press: () => this.page.close(), isDisabled: this.isBusy });
  }

  /** The button that does what the dialog is for. */
  protected submitButton(label: string, kind: "primary" | "danger"): TemplateResult {
    return button(this.isBusy ? this.page.words.say("working") : label, { kind, isDisabled: this.mustWait, isBusy: this.isBusy });
  }
}
