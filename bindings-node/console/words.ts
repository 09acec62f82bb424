import { type Messages, en } from "./messages.js";

export type Word = keyof Messages;
export type Values = Record<string, string | number>;

const RIGHT_TO_LEFT = /^(ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)\b/;

/** The words of the page in one language, of which a host may replace any. */
export class Words {
  readonly lang: string;
  /** The direction of the language. */
  readonly dir: "ltr" | "rtl";
  readonly #words: Record<string, string>;
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;

  constructor(lang: string, ...replaced: Partial<Messages>[]) {
    const own = Object.assign({}, ...replaced) as Partial<Messages>;
    // Dates in one language within sentences in another would be worse than a page in English.
    this.lang = /^en\b/.test(lang) || Object.keys(own).length > 0 ? supported(lang) : "en";
    this.dir = RIGHT_TO_LEFT.test(this.lang) ? "rtl" : "ltr";
    this.#words = { ...en, ...own };
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

/** A page may name a language that no browser knows, or that is none. */
function supported(lang: string): string {
  try {
    return Intl.NumberFormat.supportedLocalesOf(lang)[0] ?? "en";
  } catch {
    return "en";
  }
}
