/**
 * The time of events.
 *
 * @module
 */

/** Microseconds since 1970-01-01T00:00:00Z. */
export type Timestamp = number;

/**
 * A wall clock with microseconds. `Date.now()` has milliseconds only, so that the
 * 3 digits after them come from the monotonic clock: events of one millisecond
 * keep their order, and a correction of the wall clock takes effect at once.
 */
export class EventClock {
  #last: Timestamp = 0;

  /**
   * The time: later than all results before in the same millisecond, except that
   * it stays at the end of the millisecond.
   */
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

let lastSecond = NaN;
let lastSecondText = "";

/** RFC 3339, UTC, with 6 decimals: `2025-10-13T20:08:24.394955Z`. */
export function formatTimestamp(timestamp: Timestamp): string {
  const second = Math.floor(timestamp / 1_000_000);
  // Successive events mostly have the same second.
  if (second !== lastSecond) {
    lastSecondText = new Date(1000 * second).toISOString().slice(0, 20);
    lastSecond = second;
  }
  const digits = String(timestamp - 1_000_000 * second);
  return `${lastSecondText}${digits.padStart(6, "0")}Z`;
}
