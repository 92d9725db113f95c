/**
 * The lifecycle that every running part of the daemon has.
 *
 * @module
 */

/** Does nothing before `start` and after `stop`. */
export interface Service {
  /**
   * Begins to work. Throws what keeps the daemon from starting. Absent where
   * another service starts the part, such as the interface poller.
   */
  start?(): void | Promise<void>;
  /** Reads its files again; failures are for its own log lines. */
  reload?(): void | Promise<void>;
  /** Takes no new work, and resolves when the work in progress has ended. */
  stop(): void | Promise<void>;
}
