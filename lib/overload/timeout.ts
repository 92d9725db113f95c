/**
 * Waiting: for a time, for a promise with a time limit, and between retries.
 *
 * @module
 */

/**
 * Waits for a time.
 *
 * @param signal Ends the wait early. The promise resolves then, too.
 */
export function delay(
  milliseconds: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (signal?.aborted) return end();
    signal?.addEventListener("abort", end);
  });
}

/**
 * Milliseconds between two looks of an idle process at what it is not notified
 * of. Each costs some 0.7 ms of a processor, whatever it looks at: the caches are
 * cold by then.
 */
export const IDLE_INTERVAL = 1000;

/**
 * Milliseconds until the clock is at the next multiple of `interval`. Timers that
 * wait for it wake the process together.
 */
export function untilNext(interval: number): number {
  return interval - Date.now() % interval;
}

/**
 * Waits until a promise is settled, at most for a time.
 *
 * @returns Whether the promise was fulfilled within that time.
 * @throws what the promise is rejected with within that time.
 */
export async function waitAtMost(
  milliseconds: number,
  promise: Promise<unknown> = Promise.resolve(),
): Promise<boolean> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      promise.then(() => true),
      delay(milliseconds, timeout.signal).then(() => false),
    ]);
  } finally {
    timeout.abort();
  }
}

/** A wait that other code can end early. It is used for one wait at a time. */
export class Pause {
  #end: (() => void) | undefined;

  /** Waits for a time, or without one until {@linkcode Pause.end}. */
  async wait(milliseconds?: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#end = resolve;
      if (milliseconds !== undefined) timer = setTimeout(resolve, milliseconds);
    });
    this.#end = undefined;
    clearTimeout(timer);
  }

  /** Ends the current wait, if there is one. */
  end(): void {
    this.#end?.();
  }
}

/** Exponential back-off: how long to wait before each retry. */
export class Backoff {
  #first: number;
  readonly #longest: number;
  readonly #random: () => number;
  #next: number;

  /**
   * @param first Milliseconds before the first retry; each later wait is twice
   * as long.
   * @param longest Milliseconds that a wait does not exceed.
   * @param random Jitter, from 0 for half the wait to 1 for the whole wait, so
   * that clients that failed together do not retry together.
   */
  constructor(first: number, longest: number, random = Math.random) {
    this.#first = this.#next = first;
    this.#longest = longest;
    this.#random = random;
  }

  /**
   * Milliseconds to wait after one more failure.
   *
   * @param atLeast Milliseconds that the peer asked for.
   */
  next(atLeast = 0): number {
    const wait = this.#next * (0.5 + this.#random() / 2);
    this.#next = Math.min(2 * this.#next, this.#longest);
    return Math.max(wait, atLeast);
  }

  /**
   * Begins again, after a success.
   *
   * @param first Milliseconds before the first retry from now on.
   */
  reset(first = this.#first): void {
    this.#first = this.#next = first;
  }
}
