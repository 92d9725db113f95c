/**
 * How many machines may be new.
 *
 * @module
 */

import { NEW_MACHINES_PER_SECOND } from "./limits.ts";

/** Machines that are new by nothing but their first message. */
export class TokenBucket {
  /** How many were too many. */
  refused = 0;

  readonly #capacity: number;
  #tokens: number;
  #filledAt = 0;

  /** @param atOnce How many may come in a moment. */
  constructor(atOnce: number) {
    this.#capacity = this.#tokens = atOnce;
  }

  /**
   * Whether one more is taken.
   *
   * @param now Milliseconds of a clock that is never set.
   */
  tryTake(now: number): boolean {
    this.#tokens = Math.min(
      this.#capacity,
      this.#tokens + NEW_MACHINES_PER_SECOND * (now - this.#filledAt) / 1000,
    );
    this.#filledAt = now;
    if (this.#tokens < 1) {
      this.refused++;
      return false;
    }
    this.#tokens--;
    return true;
  }
}
