import { type TemplateResult, html, nothing } from "lit-html";
import type { Key } from "../key.js";
import type { Page } from "../page.js";
import type { Fields } from "../spelling.js";
import { Trouble } from "../trouble.js";
import { troubleNotice } from "../parts/trouble.js";
import { Dialog } from "./dialog.js";
import { ScopePicker } from "./scopes.js";

/** The fields that a new key and a changed one have in common. */
export abstract class KeyForm extends Dialog {
  protected wrong = "";
  readonly #key: Partial<Key>;
  #scopes: ScopePicker | null = null;
  #scopesTrouble: Trouble | null = null;

  /** `key` is shown to begin with; a field that its host does not show is left out. */
  constructor(page: Page, key: Partial<Key>) {
    super(page);
    this.#key = key;
    if (key.scopes) void this.#load(key.scopes);
  }

  async #load(chosen: string[]): Promise<void> {
    this.#scopesTrouble = null;
    try {
      this.#scopes = new ScopePicker(this.page, await this.page.api.scopes(), chosen);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.#scopesTrouble = error;
    }
    this.page.show();
  }

  /** Which field is wrong; empty for none. */
  protected check(given: FormData): string {
    return textOf(given, "name") ? "" : "name";
  }

  /** Does what the form is for. */
  protected abstract send(given: FormData): Promise<void>;

  protected submit(form: HTMLFormElement): void {
    const given = new FormData(form);
    this.wrong = this.check(given);
    this.page.show();
    if (this.wrong) (form.elements.namedItem(this.wrong) as HTMLElement | null)?.focus();
    else void this.run(() => this.send(given));
  }

  /** Null for a field that is empty, undefined for one that is not in the form. */
  protected fields(given: FormData): Fields {
    const description = textOf(given, "description");
    const networks = textOf(given, "networks")?.split(/[\s,;]+/).filter(Boolean);
    return {
      name: textOf(given, "name"),
      description: description === "" ? null : description,
      scopes: this.#scopes?.chosen,
      networks: networks?.length === 0 ? null : networks,
    };
  }

  protected names(): TemplateResult {
    const { words } = this.page;
    const { name, description } = this.#key;
    const isWrong = this.wrong === "name";
    return html`<div class="field">
        <label for="name">${words.say("name")}</label>
        <input part="input" id="name" name="name" .value=${name ?? ""} maxlength="200" dir="auto" autofocus required aria-invalid=${isWrong} aria-describedby="name-hint" />
        <small id="name-hint" class=${isWrong ? "wrong" : ""} role=${isWrong ? "alert" : nothing}>${words.say(isWrong ? "name_missing" : "name_hint")}</small>
      </div>
      ${description === undefined
        ? nothing
        : html`<div class="field">
            <label for="description">${words.say("description")} <small>${words.say("optional")}</small></label>
            <textarea part="input" id="description" name="description" .value=${description ?? ""} rows="1" maxlength="1000" dir="auto"></textarea>
          </div>`}`;
  }

  protected rights(): TemplateResult {
    const { words, choices } = this.page;
    const { scopes, networks } = this.#key;
    return html`${this.#scopes?.render()}
      ${this.#scopesTrouble
        ? html`<fieldset>
            <legend>${words.say("scopes")}</legend>
            ${troubleNotice(this.page, this.#scopesTrouble, () => void this.#load(scopes ?? []))}
          </fieldset>`
        : nothing}
      ${networks === undefined || !choices.fields.includes("networks")
        ? nothing
        : html`<div class="field">
            <label for="networks">${words.say("networks")} <small>${words.say("optional")}</small></label>
            <textarea part="input" id="networks" name="networks" .value=${networks?.join("\n") ?? ""} rows="2" spellcheck="false" aria-describedby="networks-hint"></textarea>
            <small id="networks-hint">${words.say("networks_hint")}</small>
          </div>`}`;
  }
}

/** What is written in a field; undefined where the form has none of that name. */
export function textOf(given: FormData, name: string): string | undefined {
  return (given.get(name) as string | null)?.trim();
}
