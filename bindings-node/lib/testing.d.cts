import type { Keywright } from "./index.cjs";

/** A clock that stands still until a test moves it: `new Keywright(url, { clock })`. */
export class ManualClock {
  /** Shows 2026-01-01T00:00:00.000Z unless said. */
  constructor(start?: Date);
  now(): Date;
  /** Moves it by so many milliseconds, back when negative. */
  advance(ms: number): void;
  set(time: Date): void;
}

/** One case of the hash test vectors. */
export function hashCase(op: string, input: { readonly [name: string]: unknown }): unknown;

/** Writes a row as an older release stored it, so that a test can verify its text. */
export function plant(kw: Keywright, row: { readonly [name: string]: unknown }): Promise<void>;
