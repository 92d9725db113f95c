/**
 * Rate limits for log lines that repeat.
 *
 * @module
 */

import { MAX_THROTTLED_KEYS } from "../overload/limits.ts";

/** A minute in milliseconds: how often most lines that repeat are logged. */
export const MINUTE = 60_000;

/** Remembers which keys were due lately. All calls give the same interval. */
export class Throttle {
  /** Until when each key is throttled, in milliseconds, the earliest first. */
  readonly #until = new Map<string, number>();

  /**
   * Whether a key is due: the first time, and again `every` milliseconds after
   * it was last due. A new key is not due while {@linkcode MAX_THROTTLED_KEYS}
   * others are throttled: keys are often addresses, and an attacker may use any
   * number of them.
   *
   * @param every Milliseconds.
   * @param now Milliseconds of a monotonic clock.
   */
  isDue(key: string, every: number, now: number): boolean {
    const until = this.#until.get(key);
    if (until !== undefined && now < until) return false;
    if (until === undefined && !this.#hasCapacity(now)) return false;
    // Deleted first, so that the map stays in the order of expiry.
    this.#until.delete(key);
    this.#until.set(key, now + every);
    return true;
  }

  #hasCapacity(now: number): boolean {
    if (this.#until.size < MAX_THROTTLED_KEYS) return true;
    for (const [key, until] of this.#until) {
      if (now < until) break;
      this.#until.delete(key);
    }
    return this.#until.size < MAX_THROTTLED_KEYS;
  }
}
