// Keys that were asked for and that nobody is known to have. A page may close, or an answer may be lost, at any moment; what is
// noted here lets the next page find the key. No secret is ever written down.
import type { Key } from "./key.js";

/** A request that makes a secret, from before it is sent until somebody confirms to have saved what it made. */
export interface Attempt {
  /** The idempotency key. */
  id: string;
  kind: "create" | "rotate";
  url: string;
  body: string;
  name: string;
  /** The key, as soon as it is known. */
  key?: Key["id"];
  /** `shown`: its text was on a page. */
  state: "sent" | "shown";
  /** Whether a secret that a rotation has replaced goes on working. */
  grace: boolean;
  /** The id of the attempt whose lost secret this one replaces. */
  instead?: string;
  at: number;
}

/** Milliseconds. Management forgets idempotency keys after a day: a repeat would make a second key. */
const REPEATABLE = 23 * 3_600_000;
const REMEMBERED = 7 * 24 * 3_600_000;
/** Milliseconds in which the other pages say what they are working on. A later answer takes its attempts off the page again. */
const ROLL_CALL = 300;
const ID_BYTES = 16;

export class Attempts {
  /** Those that no open page is working on. */
  orphans: Attempt[] = [];
  readonly #origin: string;
  #place: string;
  readonly #update: () => void;
  readonly #channel: BroadcastChannel;
  /** Those that this page is working on, and other pages. */
  readonly #mine = new Set<string>();
  readonly #held = new Set<unknown>();

  /** `place` tells apart hosts and endpoints. `changed` hears that another page changed keys, `update` that there are other orphans. */
  constructor(place: string, changed: () => void, update: () => void) {
    this.#origin = this.#place = `keywright:${place} `;
    this.#update = update;
    this.#channel = new BroadcastChannel(this.#origin);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data === "changed") changed();
      else if (data === "who?") this.#channel.postMessage([...this.#mine]);
      else if (Array.isArray(data)) {
        for (const id of data) this.#held.add(id);
        this.#offer(this.orphans);
      }
    };
  }

  /** People who share a browser do not see what another has left. */
  meet(person: string): void {
    this.#place = `${this.#origin}${person} `;
  }

  /** Tells the other pages that keys have changed. */
  tellChange(): void {
    this.#channel.postMessage("changed");
  }

  /** Notes an attempt, which this page now works on. */
  note(attempt: Attempt): void {
    this.#mine.add(attempt.id);
    this.#offer(this.orphans);
    try {
      localStorage.setItem(this.#place + attempt.id, JSON.stringify(attempt));
    } catch {
      // Storage is full or forbidden: the open page still finds what it asked for.
    }
  }

  end(id: string): void {
    this.#mine.delete(id);
    this.#offer(this.orphans.filter((other) => other.id !== id));
    try {
      localStorage.removeItem(this.#place + id);
    } catch {
      // Nothing was noted.
    }
  }

  /** Leaves what has not ended to the page that looks next. */
  leave(): void {
    this.#mine.clear();
  }

  /** Looks for what other pages have left. */
  async find(): Promise<void> {
    if (this.#noted().length > 0) {
      this.#held.clear();
      this.#channel.postMessage("who?");
      await new Promise((done) => setTimeout(done, ROLL_CALL));
    }
    this.#offer(this.#noted());
  }

  close(): void {
    this.#channel.close();
  }

  #offer(attempts: Attempt[]): void {
    const isFree = ({ id }: Attempt) => !this.#mine.has(id) && !this.#held.has(id) && !attempts.some((other) => other.instead === id);
    this.orphans = attempts.filter(isFree);
    this.#update();
  }

  #noted(): Attempt[] {
    try {
      const isHere = (name: string) => name.startsWith(this.#place) && name.length === this.#place.length + 2 * ID_BYTES;
      const noted = Object.entries<string>(localStorage).flatMap(([name, text]) => (isHere(name) ? (JSON.parse(text) as Attempt) : []));
      const isOld = ({ at, state }: Attempt) => Date.now() - at > (state === "sent" ? REPEATABLE : REMEMBERED);
      for (const { id } of noted.filter(isOld)) localStorage.removeItem(this.#place + id);
      return noted.filter((attempt) => !isOld(attempt)).sort((a, b) => a.at - b.at);
    } catch {
      return [];
    }
  }
}

/** An id that nobody guesses; `crypto.randomUUID` is missing on plain HTTP. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(ID_BYTES)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
