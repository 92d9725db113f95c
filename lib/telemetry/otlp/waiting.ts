/**
 * Waiting for a collector: pauses that can be ended, and how long they are.
 *
 * @module
 */

/** A wait of one at a time, which somebody else may end early. */
export class Pause {
  #end: (() => void) | undefined;

  /** Waits so many milliseconds, or until {@linkcode Pause.end} if none are given. */
  async wait(milliseconds?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      if (milliseconds !== undefined) timer = setTimeout(resolve, milliseconds);
    });
    this.#end = undefined;
    clearTimeout(timer);
  }

  /** Ends the wait, if anybody waits. */
  end(): void {
    this.#end?.();
  }
}

/** How long to wait after failures that follow one another. */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  readonly #random: () => number;
  #next: number;

  /**
   * @param first Milliseconds after the first failure; twice as many after each.
   * @param longest Milliseconds that it is never longer than.
   * @param random From 0 to 1: many who failed at once must not all come back
   * at once.
   */
  constructor(first: number, longest: number, random = Math.random) {
    this.#first = this.#next = first;
    this.#longest = longest;
    this.#random = random;
  }

  /**
   * Milliseconds to wait after one more failure.
   *
   * @param asked Milliseconds that the other side wants at least.
   */
  next(asked = 0): number {
    const pause = this.#next * (0.5 + this.#random() / 2);
    this.#next = Math.min(2 * this.#next, this.#longest);
    return Math.max(pause, asked);
  }

  /** Something went well. */
  reset(): void {
    this.#next = this.#first;
  }
}
