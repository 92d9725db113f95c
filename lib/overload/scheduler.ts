/**
 * Long work in slices: between two of them the packets have their turn.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** Milliseconds of work after which the packets are let in. */
export const SLICE = 2;

/** Milliseconds that they get: enough for a hundred of them. */
const PAUSE_BETWEEN_SLICES = 1;

/**
 * Turns of its event loop, and writings to connections, after which the runtime
 * looks at the sockets although there is something else to do.
 */
const EVENT_LOOP_TURNS_PER_POLL = 61;

/** Lets in what the runtime has seen to have come, and goes on at once. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Lets in what has come, whether the runtime has seen it or not: passes turns
 * with nothing in them until it has looked. They take a tenth of a millisecond;
 * as many with work in them would take several.
 */
async function yieldToIo(): Promise<void> {
  for (let turn = 0; turn < EVENT_LOOP_TURNS_PER_POLL; turn++) {
    await yieldToEventLoop();
  }
}

/** Gives whoever has long work to do a slice at a time, in turn. */
export class CooperativeScheduler {
  readonly #waiting: (() => void)[] = [];
  #isDue = false;

  /**
   * Does a slice of work when it is its turn. It should take no longer than
   * {@linkcode SLICE}.
   *
   * @throws whatever the work throws.
   */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isDue || this.#waiting.length === 0) return;
    this.#isDue = true;
    setTimeout(() => {
      this.#isDue = false;
      const end = performance.now() + SLICE;
      do this.#waiting.shift()?.(); while (
        this.#waiting.length > 0 && performance.now() < end
      );
      this.#schedule();
    }, PAUSE_BETWEEN_SLICES);
  }
}

/** Lets many do a part of their work before the packets are let in. */
export class ByteBudget {
  readonly #size: number;
  #left: number;
  readonly #waiting: { amount: number; resolve: () => void }[] = [];
  #isDue = false;

  /** @param size How much all of them may do; the last one may exceed it. */
  constructor(size: number) {
    this.#size = this.#left = size;
  }

  /** Resolves when there is something left for so much work. */
  async acquire(amount: number): Promise<void> {
    if (!this.#isDue) {
      this.#isDue = true;
      void this.#renew();
    }
    if (this.#left > 0) this.#left -= amount;
    else {
      await new Promise<void>((resolve) =>
        this.#waiting.push({ amount, resolve })
      );
    }
  }

  /** Gives the next ration, and more of them while somebody waits for one. */
  async #renew(): Promise<void> {
    do {
      await yieldToIo();
      this.#left = this.#size;
      while (this.#left > 0 && this.#waiting.length > 0) {
        const { amount, resolve } = this.#waiting.shift()!;
        this.#left -= amount;
        resolve();
      }
    } while (this.#waiting.length > 0);
    this.#isDue = false;
  }
}

/**
 * Joins pieces of text while a slice lasts, or until there are enough octets of
 * them; the rest stays in the iterator.
 *
 * @returns The text, and whether it was the last.
 */
export function takeSlice(
  pieces: Iterator<string>,
): { text: string; isLast: boolean } {
  const end = performance.now() + SLICE;
  let text = "";
  while (text.length < SLICE_CHARACTERS && performance.now() < end) {
    const { value, done } = pieces.next();
    if (done) return { text, isLast: true };
    text += value;
  }
  return { text, isLast: false };
}

/** Characters that are handed on at once. */
const SLICE_CHARACTERS = 64 * 1024;
