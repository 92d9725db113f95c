/**
 * The process's descriptors: what they are for, and whether connections that
 * are of no use take them all.
 *
 * The runtime's HTTP server has no bound for connections, no patience that
 * ends with a silent one, and is over for good when the process has no
 * descriptors left. It tells of requests only; the connections without any are
 * what is open beyond all that is accounted for.
 *
 * @module
 */

import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
  MAX_IDLE_CONNECTIONS,
  MAX_TFTP_TRANSFERS,
} from "./limits.ts";

/** Milliseconds between two looks; each costs a microsecond for a descriptor. */
const POLL_INTERVAL = 100;

/**
 * Looks in a row that must find too many: of a thousand who come at once, each
 * says nothing until it is its turn.
 */
const MIN_CHECKS_OVER_LIMIT = 10;

/** Milliseconds that closing connections takes, before the next look. */
const REST = 1000;

/** Descriptors of a daemon that does nothing, and some for its work. */
const OWN = 64;

/** The limit where it cannot be tried: what most processes are given. */
const USUAL_LIMIT = 1024;

/** Descriptors above which bounds of other reasons are the lower ones. */
const ENOUGH = 4096;

/** What a process's descriptors are for, together no more than it may have. */
export interface FdShares {
  /** Connections that say nothing. */
  readonly silent: number;
  readonly tftpTransfers: number;
  /** Connections that are being answered, and files for them. */
  readonly answers: number;
  readonly eventReaders: number;
  readonly eventReadersOfOne: number;
}

/**
 * Shares out what a process may have: the fewer there are, the less of any kind
 * there may be, and none takes those of another.
 */
export function fdSharesOf(limit: number): FdShares {
  const silent = Math.min(MAX_IDLE_CONNECTIONS, Math.floor(limit / 4));
  const tftpTransfers = Math.min(MAX_TFTP_TRANSFERS, Math.floor(limit / 8));
  const answers = Math.max(
    0,
    limit - OWN - silent - stuckTolerance(silent) - tftpTransfers,
  );
  const eventReaders = Math.min(MAX_EVENT_READERS, Math.floor(answers / 2));
  return {
    silent,
    tftpTransfers,
    answers,
    eventReaders,
    eventReadersOfOne: Math.min(
      MAX_EVENT_READERS_PER_CLIENT,
      Math.ceil(eventReaders * 3 / 4),
    ),
  };
}

/** Silent connections besides those that cannot be closed. */
function stuckTolerance(silent: number): number {
  return Math.ceil(silent / 4);
}

/**
 * How many descriptors this process may have; `Infinity` if they are more than
 * matter. Tried, for the runtime lets a program read its limits only if it may
 * do everything. To be asked once, before anything is served.
 */
export function fdLimit(): number {
  const files: Deno.FsFile[] = [];
  try {
    const others = countOpenFds();
    while (others + files.length < ENOUGH) {
      try {
        // Wherever a program runs, even alone in a root of its own, that exists.
        files.push(Deno.openSync("/"));
      } catch (error) {
        return isOutOfFds(error) ? others + files.length : USUAL_LIMIT;
      }
    }
    return Infinity;
  } catch {
    return USUAL_LIMIT;
  } finally {
    for (const file of files) file.close();
  }
}

/** Whether it is the process's limit, or the system's, that an error tells of. */
function isOutOfFds(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "EMFILE" || code === "ENFILE";
}

/**
 * How many descriptors this process has open.
 *
 * @throws {Error} if there is none left to look with, or no `/proc`.
 */
export function countOpenFds(): number {
  let count = 0;
  for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
  return count;
}

/** Told when there are too many connections that say nothing. */
export interface ConnectionGuardObserver {
  /** So many are silent: they can be closed while responses go on. */
  onIdle(connections: number): void;
  /**
   * That was done before and so many are still there: they have been answered
   * and take nothing. They are closed only with all others.
   */
  onStalled(connections: number): void;
}

/** What a watch looks at. */
export interface ConnectionGuardOptions {
  /** How many connections may be silent. */
  readonly bound: number;
  /** How many descriptors have a known use. */
  readonly accounted: () => number;
  readonly observer: ConnectionGuardObserver;
}

/** Tells when there are too many connections that say nothing. */
export class ConnectionGuard {
  /** About how many have been closed. */
  closed = 0;

  readonly #options: ConnectionGuardOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #found = 0;
  /** Those that were left when the silent ones had been closed. */
  #stuck = 0;
  #isResting = false;

  constructor(options: ConnectionGuardOptions) {
    this.#options = options;
    this.#checkAfter(POLL_INTERVAL);
  }

  /** Looks no more. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #checkAfter(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#check(), milliseconds);
  }

  #check(): void {
    const { bound, accounted, observer } = this.#options;
    let silent = 0;
    try {
      silent = countOpenFds() - OWN - accounted();
    } catch {
      // Then connections cannot be looked at; the next look may find more.
    }
    this.#stuck = this.#isResting ? silent : Math.min(this.#stuck, silent);
    this.#isResting = false;
    const isTooMuch = silent >
      Math.max(bound, this.#stuck + stuckTolerance(bound));
    this.#found = isTooMuch ? this.#found + 1 : 0;
    if (this.#found < MIN_CHECKS_OVER_LIMIT) {
      return this.#checkAfter(POLL_INTERVAL);
    }
    this.#found = 0;
    this.#isResting = true;
    this.#checkAfter(REST);
    this.closed += silent - this.#stuck;
    if (this.#stuck > bound / 2) observer.onStalled(silent - this.#stuck);
    else observer.onIdle(silent);
  }
}
