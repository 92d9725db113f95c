/**
 * A clock that moves only when a test says so, for code that also talks to real
 * sockets: how long those take on a busy machine does not matter then.
 *
 * @module
 */

import { FakeTime } from "@std/testing/time";
import { eventually, pause } from "./lab.ts";

/** Milliseconds of one step of the clock, while others have their turn. */
const STEP = 100;

/** Polls until something counts as never: a minute at least. */
const MAX_POLLS = 20_000;

/**
 * Replaces `Date`, the timers and, unlike `FakeTime`, `performance.now`.
 * `pause` and `eventually` of `lab.ts` go on in real time.
 */
export class FakeClock implements Disposable {
  /** It starts at a whole second: timers may wait for the next one. */
  readonly #time = new FakeTime(Math.ceil(Date.now() / 1000) * 1000);
  /** When each timer is due, in milliseconds of the faked `Date.now()`. */
  readonly #due = new Map<unknown, number>();

  constructor() {
    const start = this.#time.now - performance.now();
    performance.now = () => this.#time.now - start;
    const { setTimeout, clearTimeout } = globalThis;
    globalThis.setTimeout =
      ((run: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) => {
        const id = setTimeout(() => {
          this.#due.delete(id);
          run(...args);
        }, delay);
        this.#due.set(id, this.#time.now + delay);
        return id;
      }) as typeof setTimeout;
    globalThis.clearTimeout = ((id) => {
      this.#due.delete(id);
      clearTimeout(id);
    }) as typeof clearTimeout;
  }

  /** Milliseconds until each pending timeout, in no order. */
  get pending(): number[] {
    return [...this.#due.values()].map((due) => due - this.#time.now);
  }

  /** Moves the clock forward, and runs timers that become due. */
  async advance(milliseconds: number): Promise<void> {
    for (let left = milliseconds; left > 0; left -= STEP) {
      await pause(0);
      this.#time.tick(Math.min(left, STEP));
    }
    await pause(0);
  }

  /**
   * Waits until there is one timeout and no other, so that nothing but time is
   * waited for, and moves the clock to it.
   *
   * @returns Milliseconds that this took, by the faked clock.
   */
  async advanceToOnly(what: string): Promise<number> {
    await eventually(`only ${what} is waited for`, () => this.#due.size === 1);
    const [milliseconds] = this.pending;
    this.#time.tick(milliseconds!);
    return milliseconds!;
  }

  /**
   * Polls like `eventually`. The clock moves on by 10 ms for each poll: a turn of
   * the event loop, in which a server in this process gets its turn, too.
   */
  async eventually<T>(
    what: string,
    ask: () => Promise<T | undefined | false> | T | undefined | false,
  ): Promise<T> {
    for (let poll = 0; poll < MAX_POLLS; poll++) {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      this.#time.tick(10);
      await pause(2);
    }
    throw new Error(`not within ${MAX_POLLS} polls: ${what}`);
  }

  [Symbol.dispose](): void {
    this.#time.restore();
    Reflect.deleteProperty(performance, "now");
  }
}
