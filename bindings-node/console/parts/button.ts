import { type TemplateResult, html, nothing } from "lit-html";

export interface ButtonOptions {
  /** Called when the button is pressed; without it, the button sends the form around it. */
  press?: (event: Event) => void;
  kind?: "primary" | "danger" | "quiet" | "quiet-danger";
  isDisabled?: boolean;
  /** It is working: pressed again, it does nothing. */
  isBusy?: boolean;
  hasFocus?: boolean;
  /** Its accessible name where its label alone is not enough. */
  name?: string;
}

export function button(label: string, { press, kind, isDisabled = false, isBusy, hasFocus = false, name }: ButtonOptions): TemplateResult {
  return html`<button type=${press ? "button" : "submit"} class=${kind ?? nothing} part="button ${kind ? `${kind}-button` : ""}" aria-label=${name ?? nothing}
    aria-disabled=${isBusy ?? nothing} ?disabled=${isDisabled} ?autofocus=${hasFocus} @click=${press}>${label}</button>`;
}
