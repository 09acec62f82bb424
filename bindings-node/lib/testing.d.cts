/** A clock that stands still until a test moves it: `new Keywright(url, { clock })`. */
export class ManualClock {
  /** Starts at 2026-01-01T00:00:00.000Z by default. */
  constructor(start?: Date);
  now(): Date;
  /** Moves it by this many milliseconds, back when negative. */
  advance(ms: number): void;
  set(time: Date): void;
}
