import { type TemplateResult, html } from "lit-html";
import type { ModalDialog, Page } from "../page.js";
import { button } from "../parts/button.js";
import { troubleNotice } from "../parts/trouble.js";
import { Trouble } from "../trouble.js";

/** The parts that all dialogs of the page share. */
export abstract class Dialog implements ModalDialog {
  protected readonly page: Page;
  protected isBusy = false;
  protected trouble: Trouble | null = null;

  constructor(page: Page) {
    this.page = page;
  }

  abstract get title(): string;
  abstract render(): TemplateResult;

  get mayClose(): boolean {
    return !this.isBusy;
  }

  refuseToClose(): void {}

  closed(): void {}

  /** Does one thing at a time, however often a button is pressed, and shows and tells what went wrong. */
  protected async run(work: () => Promise<void>): Promise<Trouble | null> {
    if (this.isBusy || this.mustWait) return null;
    this.isBusy = true;
    this.trouble = null;
    this.page.show();
    try {
      await work();
      return null;
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (error.kind === "missing") void this.page.reload();
      return (this.trouble = error);
    } finally {
      this.isBusy = false;
      this.page.show();
    }
  }

  /** The questions of a dialog, its error, and the buttons below. */
  protected form(submit: (form: HTMLFormElement) => void, content: TemplateResult, buttons: TemplateResult): TemplateResult {
    const sent = (event: Event) => {
      event.preventDefault();
      submit(event.target as HTMLFormElement);
    };
    return html`<form novalidate autocomplete="off" @submit=${sent}>
      ${content} ${this.footer(buttons)}
    </form>`;
  }

  /** The error and the buttons, which stay in sight. */
  protected footer(buttons: unknown): TemplateResult {
    return html`<div class="buttons">${this.trouble && troubleNotice(this.page, this.trouble)} ${buttons}</div>`;
  }

  /** Whether the server asked to wait, and the time is not over. */
  private get mustWait(): boolean {
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
