/**
 * How many connections say nothing.
 *
 * The runtime's HTTP server has no bound for connections, no patience that
 * ends with a silent one, and is over for good when the process has no
 * descriptors left. It tells of requests only; the connections without any are
 * what is open beyond all that is accounted for.
 *
 * @module
 */

import { MAX_SILENT_CONNECTIONS } from "../limits.ts";

/** Milliseconds between two looks; each costs a microsecond for a descriptor. */
const LOOK_INTERVAL = 100;

/**
 * Looks in a row that must find too many: of a thousand who come at once, each
 * says nothing until it is its turn.
 */
const LOOKS = 10;

/** Milliseconds that closing connections takes, before the next look. */
const REST = 1000;

/** Descriptors of a daemon that does nothing, and some for its work. */
const OWN = 64;

/** How many descriptors this process has open. */
function openDescriptors(): number {
  let count = 0;
  for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
  return count;
}

/** Tells when there are too many connections that say nothing. */
export class SilenceWatch {
  readonly #accounted: () => number;
  readonly #onTooMany: (connections: number) => void;
  #timer: number | undefined;
  #found = 0;

  /**
   * @param accounted How many descriptors have a known use.
   * @param onTooMany Told about how many connections are silent.
   */
  constructor(
    accounted: () => number,
    onTooMany: (connections: number) => void,
  ) {
    this.#accounted = accounted;
    this.#onTooMany = onTooMany;
    this.#lookAfter(LOOK_INTERVAL);
  }

  /** Looks no more. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #lookAfter(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#look(), milliseconds);
  }

  #look(): void {
    let silent = 0;
    try {
      silent = openDescriptors() - OWN - this.#accounted();
    } catch {
      // There is none left to look with, or no /proc.
    }
    this.#found = silent > MAX_SILENT_CONNECTIONS ? this.#found + 1 : 0;
    if (this.#found < LOOKS) return this.#lookAfter(LOOK_INTERVAL);
    this.#found = 0;
    this.#lookAfter(REST);
    this.#onTooMany(silent);
  }
}
