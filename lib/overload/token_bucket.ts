/**
 * A limit of a rate that allows bursts.
 *
 * @module
 */

/** A token bucket. */
export class TokenBucket {
  /** How often there was no token. */
  refused = 0;

  readonly #capacity: number;
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = 0;

  /**
   * @param capacity Tokens that there are at most.
   * @param perSecond Tokens that are added.
   */
  constructor(capacity: number, perSecond: number) {
    this.#capacity = this.#tokens = capacity;
    this.#perSecond = perSecond;
  }

  /**
   * Takes one token, if there is one.
   *
   * @param now Milliseconds of a monotonic clock.
   */
  tryTake(now: number): boolean {
    this.#tokens = Math.min(
      this.#capacity,
      this.#tokens + this.#perSecond * (now - this.#filledAt) / 1000,
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
