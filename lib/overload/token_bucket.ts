/**
 * The rate limit of new machines.
 *
 * @module
 */

import { NEW_MACHINES_PER_SECOND } from "./limits.ts";

/**
 * A token bucket: each new machine takes a token, and 100 tokens are added per
 * second ({@linkcode NEW_MACHINES_PER_SECOND}).
 */
export class TokenBucket {
  /** Machines refused so far. */
  refused = 0;

  readonly #capacity: number;
  #tokens: number;
  #filledAt = 0;

  /** @param capacity Machines that may be added at once. */
  constructor(capacity: number) {
    this.#capacity = this.#tokens = capacity;
  }

  /**
   * Takes one token, if there is one.
   *
   * @param now Milliseconds of a monotonic clock.
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
