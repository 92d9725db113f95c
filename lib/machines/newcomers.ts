/**
 * How many machines may be new.
 *
 * @module
 */

import { MAX_NEWCOMERS_A_SECOND, MAX_NEWCOMERS_AT_ONCE } from "../limits.ts";

/** Machines that are new by nothing but their first message. */
export class Newcomers {
  /** How many were too many. */
  refused = 0;

  #room = MAX_NEWCOMERS_AT_ONCE;
  #filledAt = 0;

  /**
   * Whether one more is taken.
   *
   * @param now Milliseconds of a clock that is never set.
   */
  admits(now: number): boolean {
    this.#room = Math.min(
      MAX_NEWCOMERS_AT_ONCE,
      this.#room + MAX_NEWCOMERS_A_SECOND * (now - this.#filledAt) / 1000,
    );
    this.#filledAt = now;
    if (this.#room < 1) {
      this.refused++;
      return false;
    }
    this.#room--;
    return true;
  }
}
