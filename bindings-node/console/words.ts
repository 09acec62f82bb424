import { type Messages, en } from "./messages.js";

export type Word = keyof Messages;
export type Values = Record<string, string | number>;

/** The words of the page in one language, of which a host may replace any. */
export class Words {
  readonly lang: string;
  readonly #words: Record<string, string>;
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;

  constructor(lang: string, ...replaced: Partial<Messages>[]) {
    this.lang = Intl.NumberFormat.supportedLocalesOf(lang)[0] ?? "en";
    this.#words = Object.assign({}, en, ...replaced) as Messages;
    this.#plural = new Intl.PluralRules(this.lang);
    this.#number = new Intl.NumberFormat(this.lang);
  }

  /** Whether the language has a text that English does without. */
  knows(word: string): word is Word {
    return Object.hasOwn(this.#words, word);
  }

  /** A text, with `{name}` replaced; `count` chooses among forms that `|` separates: one, then all others. */
  say(word: Word, values: Values = {}): string {
    const forms = (this.#words[word] ?? word).split("|");
    const one = typeof values["count"] !== "number" || this.#plural.select(values["count"]) === "one";
    const form = forms.length > 1 && !one ? forms[1] : forms[0];
    return (form ?? "").replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      // Isolated, so that a name in another direction leaves the sentence around it in order.
      return typeof value === "number" ? this.#number.format(value) : `\u2068${value}\u2069`;
    });
  }
}
