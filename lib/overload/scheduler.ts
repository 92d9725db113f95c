/**
 * Divides long work into slices, so that the event loop handles packets between
 * two of them.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** Milliseconds of one slice of work. */
export const SLICE = 2;

/** Characters of text after which a slice ends. */
const SLICE_CHARACTERS = 64 * 1024;

/** Milliseconds between two slices: enough for about 100 packets. */
const PAUSE_BETWEEN_SLICES = 1;

/**
 * Turns of the event loop after which the runtime polls the sockets for certain.
 *
 * Workaround: while there is other work, the runtime polls the sockets only
 * after 61 tasks (`event_interval` of Tokio; Deno 2.6.8 to 2.9.6). Downloads
 * alone would delay DHCPv6 messages by that many chunks. With fewer turns "lets
 * packets in between any two amounts of work" in tests/unit/overload/scheduler_test.ts fails.
 */
const EVENT_LOOP_TURNS_PER_POLL = 61;

/** Lets the event loop handle what the runtime has already received. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Lets the runtime poll the sockets, by empty turns of the event loop. They take
 * 0.1 ms together; turns with work would take several milliseconds.
 */
async function yieldToIo(): Promise<void> {
  for (let turn = 0; turn < EVENT_LOOP_TURNS_PER_POLL; turn++) {
    await yieldToEventLoop();
  }
}

/** Runs slices of long work in the order of their requests. */
export class CooperativeScheduler {
  readonly #waiting: (() => void)[] = [];
  #isScheduled = false;

  /**
   * Runs one slice of work after those requested before. It should take no
   * longer than {@linkcode SLICE}.
   *
   * @throws what the work throws.
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
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      const end = performance.now() + SLICE;
      do this.#waiting.shift()?.(); while (
        this.#waiting.length > 0 && performance.now() < end
      );
      this.#schedule();
    }, PAUSE_BETWEEN_SLICES);
  }
}

/** Limits the bytes processed before the runtime polls the sockets. */
export class ByteBudget {
  readonly #size: number;
  #left: number;
  readonly #waiting: { amount: number; resolve: () => void }[] = [];
  #isScheduled = false;

  /** @param size Bytes per poll; the last user may exceed it. */
  constructor(size: number) {
    this.#size = this.#left = size;
  }

  /**
   * Waits until the budget allows `amount` more bytes.
   *
   * @returns `undefined` if it does so now.
   */
  acquire(amount: number): Promise<void> | undefined {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      void this.#renew();
    }
    if (this.#left > 0) {
      this.#left -= amount;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.push({ amount, resolve }));
  }

  /** Renews the budget after each poll, while there are requests. */
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
    this.#isScheduled = false;
  }
}

/**
 * Joins pieces of text for one slice, or up to 65,536 characters. The rest stays
 * in the iterator.
 *
 * @returns The text, and whether the iterator has ended. Only the last text may be
 * empty, however late it is: a stream does not pull again after a pull that has
 * enqueued nothing.
 */
export function takeSlice(
  pieces: Iterator<string>,
): { text: string; isLast: boolean } {
  const end = performance.now() + SLICE;
  let text = "";
  while (
    text === "" ||
    text.length < SLICE_CHARACTERS && performance.now() < end
  ) {
    const { value, done } = pieces.next();
    if (done) return { text, isLast: true };
    text += value;
  }
  return { text, isLast: false };
}
