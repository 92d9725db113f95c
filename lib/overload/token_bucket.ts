/**
 * How many machines may be new.
 *
 * @module
 */

import { MAX_NEWCOMERS_A_SECOND } from "./limits.ts";

/** Machines that are new by nothing but their first message. */
export class Newcomers {
  /** How many were too many. */
  refused = 0;

  readonly #atOnce: number;
  #room: number;
  #filledAt = 0;

  /** @param atOnce How many may come in a moment. */
  constructor(atOnce: number) {
    this.#atOnce = this.#room = atOnce;
  }

  /**
   * Whether one more is taken.
   *
   * @param now Milliseconds of a clock that is never set.
   */
  admits(now: number): boolean {
    this.#room = Math.min(
      this.#atOnce,
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
