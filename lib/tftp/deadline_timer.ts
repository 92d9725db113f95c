/**
 * A timer for a deadline that moves.
 *
 * @module
 */

/**
 * Rings when a deadline has passed. A deadline that only moves away costs
 * nothing: setting a timer anew for each packet would cost as much as the
 * packet does.
 */
export class DeadlineTimer {
  readonly #deadline: () => number;
  readonly #onExpire: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer is due; `Infinity` while there is none. */
  #due = Infinity;

  /**
   * @param deadline The deadline as it is now, in the milliseconds of
   * `performance.now()`.
   * @param onExpire Called when it has passed, and again while it stays passed.
   */
  constructor(deadline: () => number, onExpire: () => void) {
    this.#deadline = deadline;
    this.#onExpire = onExpire;
  }

  /** To be called when the deadline may have come nearer. */
  reschedule(): void {
    const deadline = this.#deadline();
    if (deadline >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = deadline;
    this.#timer = setTimeout(
      () => this.#check(),
      Math.max(0, deadline - performance.now()),
    );
  }

  /** Rings no more, until {@linkcode reschedule} is called. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#due = Infinity;
  }

  #check(): void {
    this.#due = Infinity;
    if (performance.now() >= this.#deadline()) this.#onExpire();
    else this.reschedule();
  }
}
