// Properties of a custom element: scripts set them, and attributes those that are texts, numbers or flags.

type Values = Record<string, unknown>;

const attributeOf = (property: string) => property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const propertyOf = (attribute: string) => attribute.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The names of attributes: `env-name` of the property `envName`. */
export const attributesOf = (values: Values) => Object.keys(values).map(attributeOf);

/** An element that tells all changes of one task together. */
export abstract class PropertyElement extends HTMLElement {
  readonly #first: Values;
  readonly #values: Values;
  readonly #changed = new Set<string>();
  #isAsked = false;

  /** The values of all properties to begin with. */
  constructor(first: Values) {
    super();
    this.#first = first;
    this.#values = { ...first };
    const element = this as Values;
    for (const name of Object.keys(first)) {
      if (!Object.hasOwn(this, name)) continue;
      // A script has set it before the element was defined.
      const value = element[name];
      delete element[name];
      element[name] = value;
    }
  }

  /** Gives a class its accessors. */
  static define(values: Values): void {
    for (const name of Object.keys(values)) {
      Object.defineProperty(this.prototype, name, {
        get(this: PropertyElement) {
          return this.#values[name];
        },
        set(this: PropertyElement, value: unknown) {
          if (Object.is(value, this.#values[name])) return;
          this.#values[name] = value;
          this.show(name);
        },
      });
    }
  }

  attributeChangedCallback(attribute: string, before: string | null, text: string | null): void {
    if (text === before) return;
    const name = propertyOf(attribute);
    const first = this.#first[name];
    (this as Values)[name] = text === null ? first : typeof first === "boolean" ? true : typeof first === "number" ? Number(text) : text;
  }

  /** Updates the element after the present task; `changed` names a property. */
  show(changed?: string): void {
    if (changed) this.#changed.add(changed);
    if (this.#isAsked) return;
    this.#isAsked = true;
    queueMicrotask(() => {
      const names = [...this.#changed];
      this.#changed.clear();
      this.#isAsked = false;
      this.update(names);
    });
  }

  /** Hears which properties have changed. */
  protected abstract update(changed: string[]): void;
}
