/**
 * When events happened.
 *
 * @module
 */

/** Microseconds since 1970 began, in UTC. */
export type Timestamp = number;

/**
 * Tells the time in microseconds: the milliseconds are the wall clock's, which
 * may be set while we run; the digits behind them are the monotonic clock's and
 * keep events of one millisecond in order.
 */
export class EventClock {
  #last: Timestamp = 0;

  /** Now; later than any answer that had the same millisecond. */
  now(): Timestamp {
    const first = Date.now() * 1000;
    const last = first + 999;
    let now = first + Math.floor(performance.now() * 1000) % 1000;
    if (this.#last >= first && this.#last <= last && now <= this.#last) {
      now = Math.min(this.#last + 1, last);
    }
    this.#last = now;
    return now;
  }
}

let secondShown = NaN;
let secondText = "";

/** RFC 3339 in UTC with six digits of the second: `2025-10-13T20:08:24.394955Z`. */
export function formatTimestamp(timestamp: Timestamp): string {
  const second = Math.floor(timestamp / 1_000_000);
  // Events come in order, so that most share their second with the one before.
  if (second !== secondShown) {
    secondText = new Date(1000 * second).toISOString().slice(0, 20);
    secondShown = second;
  }
  const digits = String(timestamp - 1_000_000 * second);
  return `${secondText}${digits.padStart(6, "0")}Z`;
}
