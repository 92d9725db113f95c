/**
 * Keeps idle HTTP connections from using up the file descriptors.
 *
 * Workaround: `Deno.serve` has no connection limit and no idle timeout (Deno
 * 2.4.2 to 2.9.6, deno#3515), and it reports requests only. An idle connection
 * shows as an open file descriptor that nothing accounts for. Without this
 * guard "2,000 idle connections at 1,024 descriptors" in
 * tests/system/abuse/http_test.ts fails.
 *
 * @module
 */

import {
  countOpenFds,
  RESERVED_FDS,
  stalledAllowanceFor,
} from "../overload/fd_budget.ts";

/** Milliseconds between two counts of the file descriptors. */
const POLL_INTERVAL = 100;

/**
 * Counts in a row above the limit before the guard reports. A burst of 1,000
 * clients that connect and send a request is above it for a moment only.
 */
const MIN_CHECKS_OVER_LIMIT = 10;

/** Milliseconds that closing connections takes; the next count waits for it. */
const CLOSE_DURATION = 1000;

/** Acts when there are too many connections without a request. */
export interface ConnectionGuardObserver {
  /** `connections` are idle. They can be closed while responses continue. */
  onIdle(connections: number): void;
  /**
   * Idle connections were closed before, and `connections` are still open: they
   * were sent a response that the client does not read. Only closing all
   * connections closes them.
   */
  onStalled(connections: number): void;
}

/** The limit of idle connections, and how they are counted. */
export interface ConnectionGuardOptions {
  /** Connections that may be idle. */
  readonly maxIdle: number;
  /** File descriptors in use for responses and transfers now. */
  readonly accountedFds: () => number;
  readonly observer: ConnectionGuardObserver;
}

/** Counts idle connections and reports when they are above a limit. */
export class ConnectionGuard {
  /** Idle connections closed so far, approximately. */
  closed = 0;

  readonly #options: ConnectionGuardOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #checksOverLimit = 0;
  /** Connections that stayed open when the idle ones were closed. */
  #stalled = 0;
  /** Whether the last check had idle connections closed. */
  #hasJustClosed = false;

  constructor(options: ConnectionGuardOptions) {
    this.#options = options;
  }

  /** Begins to count, every 100 ms. */
  start(): void {
    if (this.#timer === undefined) this.#checkAfter(POLL_INTERVAL);
  }

  /** Ends counting. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #checkAfter(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#check(), milliseconds);
  }

  #check(): void {
    const { maxIdle } = this.#options;
    const idle = this.#countIdle();
    this.#stalled = this.#hasJustClosed ? idle : Math.min(this.#stalled, idle);
    this.#hasJustClosed = false;
    const limit = Math.max(
      maxIdle,
      this.#stalled + stalledAllowanceFor(maxIdle),
    );
    this.#checksOverLimit = idle > limit ? this.#checksOverLimit + 1 : 0;
    if (this.#checksOverLimit < MIN_CHECKS_OVER_LIMIT) {
      return this.#checkAfter(POLL_INTERVAL);
    }
    this.#checksOverLimit = 0;
    this.#hasJustClosed = true;
    this.#checkAfter(CLOSE_DURATION);
    this.#report(idle);
  }

  /**
   * Open file descriptors that nothing accounts for. 0 if they cannot be
   * counted: reading `/proc` takes a file descriptor too.
   */
  #countIdle(): number {
    try {
      return countOpenFds() - RESERVED_FDS - this.#options.accountedFds();
    } catch {
      return 0;
    }
  }

  #report(idle: number): void {
    const { maxIdle, observer } = this.#options;
    const reported = idle - this.#stalled;
    this.closed += reported;
    if (this.#stalled > maxIdle / 2) observer.onStalled(reported);
    else observer.onIdle(idle);
  }
}
