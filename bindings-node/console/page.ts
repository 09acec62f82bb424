import { Api, type Connection } from "./api.js";
import { type Attempt, Attempts } from "./attempts.js";
import { CreateDialog } from "./dialog/create.js";
import type { Dialog } from "./dialog/dialog.js";
import { LostDialog } from "./dialog/lost.js";
import { UncertainDialog } from "./dialog/uncertain.js";
import type { Format } from "./format.js";
import { Unanswered, issue } from "./issue.js";
import type { Key } from "./key.js";
import { type Filter, KeyList, NO_FILTER } from "./list.js";
import type { Caller } from "./spelling.js";
import { Trouble } from "./trouble.js";
import { writeFilter } from "./url.js";
import type { Word, Words } from "./words.js";

/** What a host lets people choose when they create and rotate keys. */
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

export type KeyEvent = "created" | "rotated" | "revoked" | "disabled" | "enabled" | "grace-ended";

/** What the page asks of the element around it. */
export interface Host {
  /** Shows the present state. */
  show(): void;
  emit(event: KeyEvent | "session-ended", detail: { key?: Key }): void;
  /** Puts the focus where a dialog that has closed leaves none. */
  focusHeading(): void;
}

/** Milliseconds: older lists are loaded again when somebody comes back to the page. */
const STALE = 30_000;

/** What is on the page: the list, one dialog at a time, and what remains to be done. */
export class Page {
  readonly api: Api;
  words: Words;
  format: Format;
  choices: Choices;
  list: KeyList;
  attempts: Attempts;
  /** Requests whose secret nobody is known to have. */
  orphans: Attempt[] = [];
  dialog: Dialog | null = null;
  /** The last thing that was done, for people. */
  told = "";
  /** Where the filter is kept in the address of the page; null for nowhere. */
  readonly urlState: string | null;
  readonly #host: Host;
  readonly #isReadOnly: boolean;
  #caller: Caller | null = null;
  /** Whether the server has said who asks. */
  #isKnown = false;
  #loadedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #stop = new AbortController();

  constructor(host: Host, connection: Connection, shown: { words: Words; format: Format; choices: Choices }, options: { filter: Filter; urlState: string | null; isReadOnly: boolean }) {
    this.#host = host;
    this.api = new Api(connection);
    this.words = shown.words;
    this.format = shown.format;
    this.choices = shown.choices;
    this.urlState = options.urlState;
    this.#isReadOnly = options.isReadOnly;
    this.attempts = new Attempts(connection.keys, () => void this.reload());
    this.list = this.#newList(options.filter);
    const returned = () => {
      if (document.visibilityState === "visible" && !this.dialog && Date.now() - this.#loadedAt > STALE) void this.reload();
    };
    document.addEventListener("visibilitychange", returned, { signal: this.#stop.signal });
    void this.reload();
  }

  /** Whether whoever asks may change keys. Where nobody tells, the server still does. */
  get canManage(): boolean {
    if (this.#isReadOnly || !this.#isKnown) return false;
    return this.#caller === null || this.#caller.may.some((right) => right === "keys:manage" || right === "keys:*");
  }

  show(): void {
    this.#host.show();
  }

  showIn(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.show(), milliseconds);
  }

  open(dialog: Dialog): void {
    const before = this.dialog;
    this.dialog = dialog;
    before?.closed();
    this.show();
  }

  openCreate(): void {
    if (this.canManage) this.open(new CreateDialog(this));
  }

  close(): void {
    const before = this.dialog;
    this.dialog = null;
    before?.closed();
    void this.#findOrphans();
    this.show();
  }

  /** Takes over a changed key, and tells people, the host and the other pages. */
  changed(event: KeyEvent, key: Key, told: Word): void {
    this.list.put(key);
    this.told = this.words.say(told, { name: key.name });
    this.#host.emit(event, { key });
    this.attempts.tellChange();
    this.show();
  }

  async reload(): Promise<void> {
    const before = this.list;
    const list = this.#newList(before.filter);
    before.stop();
    // The list on the page stays until the new one has come.
    if (!before.isReady) this.list = list;
    await Promise.all([list.load(), this.#meet()]);
    if (list.isStopped) return;
    if (list.isReady || !before.isReady) this.list = list;
    else before.trouble = list.trouble;
    this.noticed(list.trouble);
    this.show();
  }

  search(text: string): void {
    this.list.search(text);
    writeFilter(this.urlState, this.list.filter);
  }

  filter(change: Partial<Filter>): void {
    const filter = { ...this.list.filter, ...change };
    this.list.stop();
    this.list = this.#newList(filter);
    writeFilter(this.urlState, filter);
    void this.reload();
  }

  clearFilter(): void {
    this.filter({ ...NO_FILTER });
  }

  /** Finds out what became of a request that an earlier page sent. */
  finish(attempt: Attempt): void {
    this.orphans = this.orphans.filter((other) => other !== attempt);
    if (attempt.key !== undefined) {
      this.attempts.begin(attempt);
      this.open(new LostDialog(this, attempt));
      return;
    }
    const unknown = new Unanswered(attempt, new Trouble("offline"));
    issue(this, attempt, true).catch((error: unknown) => {
      if (error instanceof Unanswered) this.open(new UncertainDialog(this, error));
      else if (error instanceof Trouble) this.open(new UncertainDialog(this, new Unanswered(attempt, error)));
      else this.open(new UncertainDialog(this, unknown));
    });
  }

  /** Forgets a request: somebody has its secret, or does not want it. */
  forget(attempt: Attempt): void {
    this.attempts.end(attempt.id);
    this.orphans = this.orphans.filter((other) => other !== attempt);
    this.#host.focusHeading();
    this.show();
  }

  stop(): void {
    this.#stop.abort();
    this.list.stop();
    this.dialog?.closed();
    this.dialog = null;
    this.attempts.close();
    clearTimeout(this.#timer);
  }

  #newList(filter: Filter): KeyList {
    this.#loadedAt = Date.now();
    return new KeyList(this.api, filter, () => this.show());
  }

  /** Asks who asks. While nobody tells, nothing can be changed. */
  async #meet(): Promise<void> {
    if (this.#isKnown) return;
    try {
      this.#caller = await this.api.whoami(this.#stop.signal);
    } catch {
      // The list has the same trouble, and tells it.
      return;
    }
    this.#isKnown = true;
    // People who share a browser do not see what the other has left.
    this.attempts.close();
    this.attempts = new Attempts(`${this.api.connection.keys} ${this.#caller?.name ?? ""}`, () => void this.reload());
    void this.#findOrphans();
    this.show();
  }

  /** Tells the host that its session has ended. */
  noticed(trouble: Trouble | null): void {
    if (trouble?.kind === "signed_out") this.#host.emit("session-ended", {});
  }

  async #findOrphans(): Promise<void> {
    if (!this.canManage) return;
    this.orphans = await this.attempts.orphans();
    this.show();
  }
}
