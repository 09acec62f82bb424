import { type TemplateResult, html, render } from "lit-html";
import type { Connection, HeaderSource } from "./api.js";
import { Format } from "./format.js";
import type { Key } from "./key.js";
import type { Messages } from "./messages.js";
import { type Choices, type Host, type KeyEvent, type ModalDialog, Page } from "./page.js";
import { PropertyElement, attributesOf } from "./properties.js";
import { styles } from "./styles.js";
import { openCreate, pageView } from "./view/page.js";
import { Words } from "./words.js";

/** With another value of these, all is loaded anew. */
const PLACES = ["mount", "path", "readonly", "urlState"];

/** Where management is mounted when it serves this very script; null where another server does. */
const OWN_MOUNT = new URL(import.meta.url).pathname.endsWith("/element.js") ? new URL(".", import.meta.url).href.replace(/\/$/, "") : null;

const listed = (list: string | null) => (list ?? "").split(/[\s,]+/).filter(Boolean);
const numbers = (list: string | null) => listed(list).map(Number).filter((number) => number > 0);

/** Each rendering of a host may make these anew, so that what is on the page stays. A page that has come to nothing tries again. */
const CREDENTIALS = ["fetch", "headers", "csrfHeader", "csrfToken"];

/** The words of a language that has a bundle of its own. */
const BUNDLES: Record<string, () => Promise<Partial<Messages>>> = {
  // @ts-expect-error: no language is called like a method of all objects.
  __proto__: null,
  // @ts-expect-error: the file stands beside the bundle.
  de: async () => ((await import("./element.de.mjs")) as { de: Messages }).de,
};

/** The second click of a double click meant what was there before the first: nothing in a dialog that has opened in between. */
const CLICKED = {
  capture: true,
  handleEvent(event: MouseEvent): void {
    if (event.detail < 2 || !(event.target as Element).closest("button")) return;
    event.preventDefault();
    event.stopPropagation();
  },
};

/** The properties that attributes set, too. */
const ATTRIBUTES = {
  mount: null,
  path: null,
  readonly: false,
  fields: "",
  environments: "",
  tiers: "",
  graces: "1 24 168",
  expiries: "7 30 90 365",
  defaultExpiry: 90,
  envName: "API_KEY",
  urlState: null,
  timeZone: null,
  csrfHeader: null,
  csrfToken: null,
  lang: "",
};
const PROPERTIES = { ...ATTRIBUTES, headers: null, fetch: null, messages: {} };

/** `<keywright-keys>`: the keys of an org, for the settings page of a product. */
export class KeywrightKeys extends PropertyElement implements Host {
  static readonly observedAttributes = attributesOf(ATTRIBUTES);

  static {
    this.define(PROPERTIES);
  }

  declare mount: string | null;
  declare path: string | null;
  declare readonly: boolean;
  declare fields: string;
  declare environments: string;
  declare tiers: string;
  declare graces: string;
  declare expiries: string;
  declare defaultExpiry: number;
  declare envName: string;
  declare urlState: string | null;
  declare timeZone: string | null;
  declare csrfHeader: string | null;
  declare csrfToken: string | null;
  declare headers: HeaderSource | null;
  declare fetch: typeof fetch | null;
  declare messages: Partial<Messages>;

  readonly #root: ShadowRoot;
  #page: Page | null = null;
  #language = "";
  #bundle: Partial<Messages> | null = null;
  #opener: HTMLElement | null = null;
  #shown: ModalDialog | null = null;

  constructor() {
    super(PROPERTIES);
    this.#root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.#root.adoptedStyleSheets = [sheet];
  }

  /** Opens the form for a new key. */
  create(): void {
    if (this.#page) openCreate(this.#page);
  }

  /** Loads the keys again. */
  async reload(): Promise<void> {
    await this.#page?.reload();
  }

  emit(event: KeyEvent | "session-ended", detail: { key?: Key }): void {
    this.dispatchEvent(new CustomEvent(event, { detail, bubbles: true, composed: true }));
  }

  focusHeading(): void {
    this.#root.querySelector("h2")?.focus();
  }

  connectedCallback(): void {
    this.show();
  }

  disconnectedCallback(): void {
    this.#page?.stop();
    this.#page = null;
    this.show();
  }

  protected update(changed: string[]): void {
    if (this.isConnected) this.#prepare(changed);
    render(this.#view(), this.#root, { host: this });
    this.#placeDialog();
  }

  /** Makes the page, or tells the present one what the host has changed. */
  #prepare(changed: string[]): void {
    const credentials = changed.filter((name) => CREDENTIALS.includes(name));
    let page = this.#page;
    if (page && credentials.length > 0) {
      Object.assign(page.api.connection, this.#connection());
      if (!page.isReady || page.list.trouble) void page.reload();
    }
    if (page && changed.length === credentials.length) return;
    const lang = (this.lang || this.closest<HTMLElement>("[lang]")?.lang || navigator.language).replaceAll("_", "-");
    this.#load(lang.split("-")[0]?.toLowerCase() ?? "");
    if (!page || PLACES.some((name) => changed.includes(name))) {
      page?.stop();
      // Its first requests are on their way while the rest is prepared.
      page = this.#page = new Page(this, this.#connection(), { urlState: this.urlState, isReadOnly: this.readonly });
    }
    const words = new Words(lang, this.#bundle ?? {}, this.messages);
    Object.assign(page, { words, format: new Format(words.lang, this.timeZone), choices: this.#choices() });
  }

  /** Loads the words of another language. Until they are there, none are shown; should they not come, those in English are. */
  #load(language: string): void {
    if (language === this.#language) return;
    this.#language = language;
    const load = BUNDLES[language];
    this.#bundle = load ? null : {};
    void load?.()
      .catch(() => ({}))
      .then((bundle) => {
        if (language !== this.#language) return;
        this.#bundle = bundle;
        this.show("messages");
      });
  }

  #choices(): Choices {
    return {
      fields: listed(this.fields),
      environments: listed(this.environments),
      tiers: listed(this.tiers),
      graces: numbers(this.graces),
      expiries: numbers(this.expiries),
      defaultExpiry: this.defaultExpiry,
      envName: this.envName,
    };
  }

  #connection(): Connection {
    const at = (place: string) => new URL(place, document.baseURI).href.replace(/\/$/, "");
    const beside = at(this.path ?? this.mount ?? OWN_MOUNT ?? "/manage");
    const { headers, csrfHeader, csrfToken } = this;
    const guarded = async () => {
      const all = new Headers(typeof headers === "function" ? await headers() : (headers ?? undefined));
      all.set(csrfHeader ?? "", csrfToken ?? "");
      return all;
    };
    return { keys: this.path === null ? `${beside}/keys` : beside, beside, headers: csrfHeader ? guarded : headers, fetch: this.fetch };
  }

  #view(): TemplateResult | null {
    const page = this.#page;
    if (!page || !this.#bundle) return null;
    const { dialog } = page;
    return html`${pageView(page)}
      <dialog part="dialog" tabindex="-1" lang=${page.words.lang} dir=${page.words.dir} aria-labelledby="dialog-title" @click=${CLICKED} @cancel=${this.#cancel} @close=${this.#closed} @keydown=${this.#pressed}>
        ${dialog ? html`<h2 id="dialog-title" part="dialog-title">${dialog.title}</h2>${dialog.render()}` : null}
      </dialog>`;
  }

  #placeDialog(): void {
    const dialog = this.#root.querySelector("dialog");
    if (!dialog) return;
    const wanted = this.#page?.dialog ?? null;
    if (wanted && !dialog.open) {
      this.#opener ??= this.#root.activeElement as HTMLElement | null;
      dialog.showModal();
    } else if (wanted && (wanted !== this.#shown || !dialog.matches(":focus-within"))) {
      // Another dialog has taken the place of the one before, or what had the focus is gone.
      (dialog.querySelector<HTMLElement>("[autofocus]") ?? dialog).focus();
    } else if (!wanted && dialog.open) {
      dialog.close();
    }
    this.#shown = wanted;
  }

  /** Esc. Some browsers close a dialog at the second one, whatever the page says. */
  #cancel(event: Event): void {
    event.preventDefault();
    const dialog = this.#page?.dialog;
    if (dialog?.mayClose) this.#page?.close();
    else dialog?.refuseToClose();
  }

  #pressed(event: KeyboardEvent): void {
    if (event.key === "Escape") this.#cancel(event);
  }

  #closed(): void {
    if (this.#page?.dialog) {
      // Closed by the browser: it is opened again.
      this.show();
      return;
    }
    if (this.#opener?.isConnected) this.#opener.focus();
    else this.focusHeading();
    this.#opener = null;
  }
}
