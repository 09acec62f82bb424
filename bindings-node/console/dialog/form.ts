import { type TemplateResult, html, nothing } from "lit-html";
import type { Key } from "../key.js";
import type { Page } from "../page.js";
import { LEVELS } from "../parts/key.js";
import { troubleNotice } from "../parts/trouble.js";
import type { Fields } from "../spelling.js";
import { Trouble } from "../trouble.js";
import type { Word } from "../words.js";
import { Dialog } from "./dialog.js";
import type { ExpiryPicker } from "./expiry.js";
import { ScopePicker } from "./scopes.js";

/** The fields of a key that people set when they create it and when they edit it. */
export abstract class KeyForm extends Dialog {
  /** The field at fault; empty for none. */
  #wrong = "";
  readonly #key: Partial<Key>;
  readonly #expiry: ExpiryPicker | null;
  #scopes: ScopePicker | null = null;
  #scopesTrouble: Trouble | null = null;

  /** `key` is shown to begin with; a field that its host does not show is left out. */
  constructor(page: Page, key: Partial<Key>, expiry: ExpiryPicker | null) {
    super(page);
    this.#key = key;
    this.#expiry = expiry;
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

  /** Does what the form is for. */
  protected abstract send(fields: Fields): Promise<void>;

  async #submit(form: HTMLFormElement): Promise<void> {
    const given = new FormData(form);
    const expiry = this.#expiry ? this.#expiry.read() : {};
    this.#wrong = !textOf(given, "name") ? "name" : expiry ? "" : "expiry";
    this.trouble = null;
    this.page.show();
    if (!this.#wrong) {
      const trouble = await this.run(() => this.send({ ...this.#fields(given), ...expiry }));
      this.#wrong = trouble?.field ?? "";
      this.page.show();
    }
    if (this.#wrong) form.querySelector<HTMLElement>(`[name="${this.#wrong}"]`)?.focus();
  }

  /** Null for a field that is empty, undefined for one that is not in the form. */
  #fields(given: FormData): Fields {
    const description = textOf(given, "description");
    const networks = textOf(given, "networks")?.split(/[\s,;]+/).filter(Boolean);
    return {
      name: textOf(given, "name"),
      description: description === "" ? null : description,
      scopes: this.#scopes?.chosen,
      level: textOf(given, "level"),
      environment: textOf(given, "environment"),
      tier: textOf(given, "tier") || undefined,
      networks: networks?.length === 0 ? null : networks,
    };
  }

  /** The form; a new key also has an environment. */
  protected settings(button: TemplateResult, environments: string[] = []): TemplateResult {
    const { words, choices } = this.page;
    const { tier, level } = this.#key;
    return this.form(
      (form) => void this.#submit(form),
      html`${this.#names()}
        <div class="pair">
          ${this.#expiry?.render()} ${this.#select("environment", environments)}
          ${tier === undefined ? nothing : this.#select("tier", choices.tiers, tier)}
        </div>
        ${level === undefined || !choices.fields.includes("level")
          ? nothing
          : html`<fieldset>
              <legend>${words.say("level")}</legend>
              ${LEVELS.map((name) => this.#level(name, name === level))}
            </fieldset>`}
        ${this.#rights()}`,
      html`${this.cancelButton()}${button}`,
    );
  }

  #names(): TemplateResult {
    const { words } = this.page;
    const { name, description } = this.#key;
    const isWrong = this.#wrong === "name";
    const isMissing = isWrong && !this.trouble;
    return html`<div class="field">
        <label for="name">${words.say("name")}</label>
        <input part="input" id="name" name="name" .value=${name ?? ""} maxlength="200" dir="auto" autofocus required aria-invalid=${isWrong} aria-describedby="name-hint" />
        <small id="name-hint" class=${isMissing ? "wrong" : ""} role=${isMissing ? "alert" : nothing}>${words.say(isMissing ? "name_missing" : "name_hint")}</small>
      </div>
      ${description === undefined
        ? nothing
        : html`<div class="field">
            <label for="description">${words.say("description")} <small>${words.say("optional")}</small></label>
            <textarea part="input" id="description" name="description" .value=${description ?? ""} rows="1" maxlength="1000" dir="auto"></textarea>
          </div>`}`;
  }

  /** A choice among those of the host. The present one stands there too, although the host may have taken it back. */
  #select(name: "environment" | "tier", options: string[], present?: string | null): TemplateResult | typeof nothing {
    if (options.length === 0) return nothing;
    const all = present === undefined || options.includes(present ?? "") ? options : [present ?? "", ...options];
    return html`<div class="field">
      <label for=${name}>${this.page.words.say(name)}</label>
      <select part="input" id=${name} name=${name}>
        ${all.map((option) => html`<option value=${option} ?selected=${option === present}>${option || "–"}</option>`)}
      </select>
    </div>`;
  }

  #level(level: string, isChosen: boolean): TemplateResult {
    const { words } = this.page;
    return html`<label class="choice">
      <input type="radio" name="level" value=${level} ?checked=${isChosen} />
      <span>${words.say(`level_${level}` as Word)} <small>${words.say(`level_${level}_text` as Word)}</small></span>
    </label>`;
  }

  #rights(): TemplateResult {
    const { words, choices } = this.page;
    const { scopes, networks } = this.#key;
    const isWrong = this.#wrong === "networks";
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
            <textarea part="input" id="networks" name="networks" .value=${networks?.join("\n") ?? ""} rows="2" spellcheck="false" aria-invalid=${isWrong} aria-describedby="networks-hint"></textarea>
            <small id="networks-hint" class=${isWrong ? "wrong" : ""}>${words.say("networks_hint")}</small>
          </div>`}`;
  }
}

/** The text of a field; undefined where the form has none of that name. */
function textOf(given: FormData, name: string): string | undefined {
  return (given.get(name) as string | null)?.trim();
}
