import { type TemplateResult, html, nothing } from "lit-html";
import type { Attempt } from "../attempts.js";
import { copy, download } from "../clipboard.js";
import { type Key, formerSecrets } from "../key.js";
import type { Page } from "../page.js";
import type { Word } from "../words.js";
import { button } from "../parts/button.js";
import { Dialog } from "./dialog.js";

/** Shows a secret, the only time that anybody sees it. It closes when somebody says to have saved it. */
export class RevealDialog extends Dialog {
  readonly #attempt: Attempt;
  readonly #key: Key;
  #apiKey: string;
  #told: Word | null = null;
  #isSaved = false;
  readonly #stop = new AbortController();

  constructor(page: Page, attempt: Attempt, key: Key, apiKey: string) {
    super(page);
    this.#attempt = attempt;
    this.#key = key;
    this.#apiKey = apiKey;
    const { signal } = this.#stop;
    addEventListener("beforeunload", (event) => event.preventDefault(), { signal });
    // A browser keeps pages that somebody leaves, and shows them again when that person or the next one goes back.
    addEventListener("pagehide", () => page.close(), { signal });
  }

  get title(): string {
    return this.page.words.say(this.#attempt.kind === "create" ? "reveal_title" : "reveal_title_rotated");
  }

  override get mayClose(): boolean {
    return this.#isSaved;
  }

  override refuseToClose(): void {
    this.#tell("saved_hint");
  }

  override closed(): void {
    this.#stop.abort();
    this.#apiKey = "";
    if (this.#isSaved) this.page.attempts.end(this.#attempt.id);
  }

  #tell(word: Word): void {
    this.#told = word;
    this.page.show();
  }

  async #copy({ target }: Event): Promise<void> {
    const code = (target as Element).previousElementSibling as HTMLElement;
    this.#tell((await copy(this.#apiKey, code)) ? "copied" : "copy_failed");
    if (this.#told === "copy_failed") select(code);
  }

  #download(): void {
    const name = this.#key.name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "key";
    const comment = this.#key.name.replace(/\p{C}+/gu, " ");
    download(`${name}.env`, `# ${comment}\n${this.page.choices.envName}=${this.#apiKey}\n`);
  }

  render(): TemplateResult {
    const { words, format } = this.page;
    const former = formerSecrets(this.#key)[0]?.grace_ends_at;
    const save = () => {
      this.#isSaved = true;
      this.page.close();
    };
    return html`<div>
      <p>${words.say("reveal_text", { name: this.#key.name })}</p>
      <div class="secret" part="secret">
        <code tabindex="0" translate="no" role="textbox" aria-readonly="true" aria-label=${words.say("api_key")} @focus=${(event: Event) => select(event.target as Node)}>${this.#apiKey}</code>
        ${button(words.say("copy"), { press: (event) => void this.#copy(event), kind: "primary", hasFocus: true })}
      </div>
      <p class="told ${this.#told ?? ""}" role="status">${this.#told ? words.say(this.#told) : nothing}</p>
      ${this.#attempt.kind === "rotate"
        ? html`<p>${former ? words.say("reveal_former", { time: format.moment(former) }) : words.say("reveal_former_ended")}</p>`
        : nothing}
      <slot name="reveal"></slot>
      ${this.footer([button(words.say("download"), { press: () => this.#download() }), button(words.say("saved"), { press: save })])}
    </div>`;
  }
}

function select(node: Node): void {
  getSelection()?.selectAllChildren(node);
}
