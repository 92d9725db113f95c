/**
 * A timer for a deadline that moves.
 *
 * @module
 */

/**
 * Calls back when a deadline has passed. A deadline that moves later costs
 * nothing: a new timer for each packet would cost as much as the packet.
 */
export class DeadlineTimer {
  readonly #deadline: () => number;
  readonly #onExpire: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer is due; `Infinity` while there is none. */
  #due = Infinity;

  /**
   * @param deadline Returns the current deadline, in milliseconds of
   * `performance.now()`.
   * @param onExpire Called when the deadline has passed. {@linkcode reschedule}
   * starts the timer again.
   */
  constructor(deadline: () => number, onExpire: () => void) {
    this.#deadline = deadline;
    this.#onExpire = onExpire;
  }

  /** Starts the timer. To be called whenever the deadline may be earlier. */
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

  /** Stops the timer until {@linkcode reschedule} is called. */
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
