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
  at: number;
}

/** Milliseconds. Management forgets idempotency keys after a day: a repeat would make a second key. */
const REPEATABLE = 23 * 3_600_000;
const REMEMBERED = 7 * 24 * 3_600_000;
/** Milliseconds in which the other pages say what they are working on. */
const ROLL_CALL = 300;

export class Attempts {
  readonly #place: string;
  readonly #channel: BroadcastChannel;
  readonly #mine = new Set<string>();

  /** `place` tells apart hosts, endpoints and people; `changed` hears that another page changed keys. */
  constructor(place: string, changed: () => void) {
    this.#place = `keywright:${place}`;
    this.#channel = new BroadcastChannel(this.#place);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (data === "changed") changed();
      if (data === "who?") this.#channel.postMessage([...this.#mine]);
    };
  }

  /** Tells the other pages that keys have changed. */
  tellChange(): void {
    this.#channel.postMessage("changed");
  }

  begin(attempt: Attempt): void {
    this.#mine.add(attempt.id);
    this.#write([...this.#all().filter((other) => other.id !== attempt.id), attempt]);
  }

  end(id: string): void {
    this.#mine.delete(id);
    this.#write(this.#all().filter((other) => other.id !== id));
  }

  /** Leaves an attempt to whoever looks next. */
  leave(id: string): void {
    this.#mine.delete(id);
  }

  /** The attempts that no open page is working on. */
  async orphans(): Promise<Attempt[]> {
    if (this.#all().length === 0) return [];
    const held = new Set(this.#mine);
    const listener = new BroadcastChannel(this.#place);
    listener.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (Array.isArray(data)) for (const id of data) held.add(String(id));
    };
    listener.postMessage("who?");
    await new Promise((done) => setTimeout(done, ROLL_CALL));
    listener.close();
    return this.#all().filter((attempt) => !held.has(attempt.id));
  }

  close(): void {
    this.#channel.close();
  }

  #all(): Attempt[] {
    try {
      const all = JSON.parse(localStorage.getItem(this.#place) ?? "[]") as Attempt[];
      return all.filter(({ at, state }) => Date.now() - at < (state === "sent" ? REPEATABLE : REMEMBERED));
    } catch {
      return [];
    }
  }

  #write(all: Attempt[]): void {
    try {
      if (all.length > 0) localStorage.setItem(this.#place, JSON.stringify(all));
      else localStorage.removeItem(this.#place);
    } catch {
      // Storage is full or forbidden: the open page still finds what it asked for.
    }
  }
}

/** An id that nobody guesses; `crypto.randomUUID` is missing on plain HTTP. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
