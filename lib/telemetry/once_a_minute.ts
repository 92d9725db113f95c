/**
 * Things that are worth a line of the log, but not one each time.
 *
 * @module
 */

import { MAX_THROTTLED_KEYS } from "../overload/limits.ts";

const MINUTE = 60_000;

/** Remembers what was told in the last minute. */
export class OnceAMinute {
  readonly #told = new Map<string, number>();

  /**
   * Whether something is to be told now; if so, not again within a minute.
   * While very many things are remembered, no further one is told.
   *
   * @param now Milliseconds of a clock that is never set.
   */
  isDue(thing: string, now: number): boolean {
    const last = this.#told.get(thing);
    if (last !== undefined && now - last < MINUTE) return false;
    if (this.#told.size >= MAX_THROTTLED_KEYS) {
      for (const [other, time] of this.#told) {
        if (now - time >= MINUTE) this.#told.delete(other);
      }
      if (this.#told.size >= MAX_THROTTLED_KEYS) return false;
    }
    this.#told.set(thing, now);
    return true;
  }
}
