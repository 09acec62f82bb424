import type { TemplateResult } from "lit-html";
import { Api, type Connection } from "./api.js";
import { Attempts } from "./attempts.js";
import type { Format } from "./format.js";
import type { Key } from "./key.js";
import { type Filter, KeyList, NO_FILTER } from "./list.js";
import { Pace } from "./pace.js";
import type { Caller } from "./spelling.js";
import { Trouble } from "./trouble.js";
import { readFilter, writeFilter } from "./url.js";
import type { Word, Words } from "./words.js";

/** The choices that a host offers when people create and rotate keys. */
export interface Choices {
  /** Optional fields of the form: `level`, `networks`. */
  fields: string[];
  environments: string[];
  tiers: string[];
  /** Graces in hours, expiries in days. */
  graces: number[];
  expiries: number[];
  /** Days, 0 for never. */
  defaultExpiry: number;
  /** The variable in the file that a person may download. */
  envName: string;
}

export type KeyEvent = "created" | "updated" | "rotated" | "revoked" | "disabled" | "enabled" | "grace-ended";

/** The calls of the page to the element around it. */
export interface Host {
  /** Shows the present state. */
  show(): void;
  emit(event: KeyEvent | "session-ended", detail: { key?: Key }): void;
  /** Puts the focus where a dialog that has closed leaves none. */
  focusHeading(): void;
}

/** A modal dialog of the page. There is one at a time. */
export interface ModalDialog {
  readonly title: string;
  /** Whether Esc may close it. */
  readonly mayClose: boolean;
  render(): TemplateResult;
  /** Hears that somebody tried to close it when that is not possible. */
  refuseToClose(): void;
  /** Hears that it was closed. */
  closed(): void;
}

/** How a page begins. */
export interface PageOptions {
  /** Where the filter is kept in the address of the page; null for nowhere. */
  urlState: string | null;
  isReadOnly: boolean;
}

/** Milliseconds: older lists are loaded again when somebody comes back to the page. */
const STALE = 30_000;

/** The state of the page: the list, one dialog at a time, and what remains to be done. */
export class Page {
  readonly api: Api;
  /** The element sets these, and sets them anew. */
  words!: Words;
  format!: Format;
  choices!: Choices;
  filter: Filter;
  list: KeyList;
  readonly attempts: Attempts;
  dialog: ModalDialog | null = null;
  /** The last thing that was done, for people. */
  told = "";
  /** Whether the first list has come, and who asks is known, as far as the server tells. */
  isReady = false;
  /** The values from which each group of rows was rendered. */
  groups: unknown[][] = [];
  readonly pace = new Pace(() => this.show());
  /** The list that is loaded, or was last. */
  #next: KeyList;
  readonly #host: Host;
  readonly #urlState: string | null;
  readonly #isReadOnly: boolean;
  /** Undefined until the server has told; null where it does not. */
  #caller: Caller | null | undefined;
  #loadedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stop = new AbortController();

  constructor(host: Host, connection: Connection, { urlState, isReadOnly }: PageOptions) {
    this.#host = host;
    this.api = new Api(connection, () => host.emit("session-ended", {}));
    this.#urlState = urlState;
    this.#isReadOnly = isReadOnly;
    this.filter = readFilter(urlState);
    this.attempts = new Attempts(connection.keys, () => void this.reload(), () => this.show());
    this.list = this.#next = this.#newList();
    const returned = () => {
      if (document.visibilityState === "visible" && !this.dialog && Date.now() - this.#loadedAt > STALE) void this.reload();
    };
    document.addEventListener("visibilitychange", returned, { signal: this.#stop.signal });
    void this.reload();
  }

  /** Whether whoever asks may change keys. Where nobody tells, the server still does. */
  get canManage(): boolean {
    if (this.#isReadOnly || this.#caller === undefined) return false;
    return this.#caller === null || this.#caller.may.some((right) => right === "keys:manage" || right === "keys:*");
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  show(): void {
    this.#host.show();
  }

  showIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.show(), milliseconds);
  }

  open(dialog: ModalDialog): void {
    const before = this.dialog;
    this.dialog = dialog;
    before?.closed();
    this.show();
  }

  close(): void {
    const before = this.dialog;
    this.dialog = null;
    before?.closed();
    this.attempts.leave();
    void this.#findOrphans();
    this.show();
  }

  /** Takes over a changed key, and tells people, the host and the other pages. */
  changed(event: KeyEvent, key: Key, told: Word): void {
    this.list.put(key);
    this.told = this.words.say(told, { name: key.name });
    this.#host.emit(event, { key });
    if (this.isStopped) return;
    this.attempts.tellChange();
    this.show();
  }

  /** Revokes a key, and closes the dialog that asked for it. */
  async revoke(before: Key): Promise<void> {
    const key = (await this.api.revoke(before.id)) ?? { ...before, status: "revoked", revoked_at: new Date().toISOString() };
    this.close();
    this.changed("revoked", { ...key, name: key.name || before.name }, "done_revoked");
  }

  async reload(): Promise<void> {
    // The list on the page stays until the new one has come.
    const before = this.list;
    if (!before.isReady || this.#next !== before) this.#next.stop();
    const list = (this.#next = this.#newList());
    if (!before.isReady) this.list = list;
    const loaded = list.load();
    const met = this.#meet();
    await loaded;
    if (list.isStopped) return;
    if (list.isReady && list !== before) {
      before.stop();
      this.list = list;
    } else before.trouble = list.trouble;
    this.list.search(this.filter.search);
    const trouble = await met;
    if (list.isStopped) return;
    this.list.trouble ??= trouble;
    this.isReady = true;
    this.show();
  }

  search(search: string): void {
    this.#changeFilter({ search });
    this.list.search(search);
  }

  filterBy(change: Partial<Filter>): void {
    this.#changeFilter(change);
    void this.reload();
  }

  clearFilter(): void {
    this.filterBy(NO_FILTER);
  }

  /** Forgets a request: somebody has its secret, or does not want it. */
  forget(id: string): void {
    this.attempts.end(id);
    this.#host.focusHeading();
  }

  stop(): void {
    this.#stop.abort();
    this.list.stop();
    this.#next.stop();
    this.dialog?.closed();
    this.dialog = null;
    this.attempts.close();
    clearTimeout(this.#timer);
  }

  #changeFilter(change: Partial<Filter>): void {
    this.told = "";
    this.filter = { ...this.filter, ...change };
    writeFilter(this.#urlState, this.filter);
  }

  #newList(): KeyList {
    this.#loadedAt = Date.now();
    return new KeyList(this.api, this.filter, () => this.show());
  }

  /** Asks who asks. While nobody tells, nothing can be changed. */
  async #meet(): Promise<Trouble | null> {
    try {
      this.#caller = await this.api.whoami(this.#stop.signal);
    } catch (error) {
      return error instanceof Trouble ? error : null;
    }
    this.attempts.meet(this.#caller?.name ?? "");
    void this.#findOrphans();
    return null;
  }

  async #findOrphans(): Promise<void> {
    if (this.canManage) await this.attempts.find();
  }
}
