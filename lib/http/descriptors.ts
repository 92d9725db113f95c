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

/** Milliseconds between two looks; each costs some microseconds. */
const LOOK_INTERVAL = 50;

/** Descriptors of a daemon that does nothing, and some for its work. */
const OWN = 64;

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  let count = 0;
  for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
  return count;
}

/** Tells when there are too many connections that say nothing. */
export class SilenceWatch {
  readonly #accounted: () => number;
  readonly #onTooMany: (connections: number) => void;
  readonly #timer: number;

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
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL);
  }

  /** Looks no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    let open: number;
    try {
      open = openDescriptors();
    } catch {
      return; // There is none left to look with.
    }
    const silent = open - OWN - this.#accounted();
    if (silent > MAX_SILENT_CONNECTIONS) this.#onTooMany(silent);
  }
}
