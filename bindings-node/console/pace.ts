/** How much one task may do; a row that is patched costs 1. */
const MOST = 100;
/** Milliseconds between two tasks, in which the browser paints. */
const PAUSE = 16;

/** Renders long lists bit by bit, so that no task holds the page up. */
export class Pace {
  /** Whether something waits for a later task. */
  isBehind = false;
  #left = MOST;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #goOn: () => void;

  constructor(goOn: () => void) {
    this.#goOn = goOn;
  }

  /** Whether this task may do so much more. If not, `goOn` is called for a later one. */
  allows(cost: number): boolean {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#left = MOST;
      if (this.isBehind) this.#goOn();
    }, PAUSE);
    if (cost > this.#left) {
      this.isBehind = true;
      return false;
    }
    this.#left -= cost;
    return true;
  }
}
