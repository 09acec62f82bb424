import { type TemplateResult, html, nothing } from "lit-html";
import type { Page } from "../page.js";
import type { Scope } from "../spelling.js";

/** From how many permissions on a search helps. */
const MANY = 9;

/** The permissions of the catalogue by resource. */
export class ScopePicker {
  readonly #page: Page;
  readonly #groups: [string, Scope[]][];
  readonly #isLong: boolean;
  readonly #chosen: Set<string>;
  #search = "";

  /** Those that are chosen to begin with may stand in no catalogue, as `deals:*` does. */
  constructor(page: Page, scopes: Scope[], chosen: string[]) {
    const groups = new Map<string, Scope[]>();
    for (const scope of scopes) {
      const resource = scope.scope.split(":")[0] ?? "";
      groups.set(resource, [...(groups.get(resource) ?? []), scope]);
    }
    this.#page = page;
    this.#chosen = new Set(chosen);
    this.#groups = [...groups];
    this.#isLong = scopes.length >= MANY;
  }

  /** The chosen scopes; undefined where there is no catalogue to choose from. */
  get chosen(): string[] | undefined {
    return this.#groups.length > 0 ? [...this.#chosen] : undefined;
  }

  render(): TemplateResult | typeof nothing {
    if (this.#groups.length === 0) return nothing;
    const { words } = this.#page;
    const count = this.#chosen.size;
    return html`<fieldset>
      <legend>${words.say("scopes")} <small>${words.say("scopes_chosen", { count })}</small></legend>
      ${this.#isLong
        ? html`<input type="search" part="input" autocomplete="off" aria-label=${words.say("scopes_search")} placeholder=${words.say("scopes_search")}
            @input=${(event: Event) => this.#find((event.target as HTMLInputElement).value)} @keydown=${keepForm} />`
        : nothing}
      <div class="scopes-list" tabindex="-1">${this.#groups.map(([resource, scopes]) => this.#group(resource, scopes))}</div>
      ${count === 0 ? html`<small>${words.say("scopes_none")}</small>` : nothing}
    </fieldset>`;
  }

  #find(text: string): void {
    this.#search = text.trim().toLowerCase();
    this.#page.show();
  }

  #toggle(scope: string, isChosen: boolean): void {
    if (isChosen) this.#chosen.add(scope);
    else this.#chosen.delete(scope);
    this.#page.show();
  }

  #group(resource: string, scopes: Scope[]): TemplateResult {
    const isFound = ({ scope, description }: Scope) => `${scope} ${description}`.toLowerCase().includes(this.#search);
    // Hidden and not left out: what was chosen stays chosen.
    return html`<div role="group" aria-label=${resource} ?hidden=${!scopes.some(isFound)}>
      <p class="resource" aria-hidden="true">${resource}</p>
      ${scopes.map(
        (scope) => html`<label class="choice" ?hidden=${!isFound(scope)}>
          <input type="checkbox" .checked=${this.#chosen.has(scope.scope)} @change=${(event: Event) => this.#toggle(scope.scope, (event.target as HTMLInputElement).checked)} />
          <span><code>${scope.scope}</code> <small>${scope.description}</small></span>
        </label>`,
      )}
    </div>`;
  }
}

/** Enter in a search shall not send the form around it. */
function keepForm(event: KeyboardEvent): void {
  if (event.key === "Enter") event.preventDefault();
}
