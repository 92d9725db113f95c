/**
 * The machines that were seen, least recently seen out first.
 *
 * @module
 */

import type { GivenAddress } from "../net/ipv6.ts";
import type { Mac } from "../net/mac.ts";

/** A machine that was seen. */
export interface Machine {
  readonly mac: Mac;
  /** Whether the operator was told that its messages name two MACs. */
  toldOfTwoMacs: boolean;
  /** The base address that its own began with last. */
  link: GivenAddress | undefined;
  /** When it was last told that its address is in use, in milliseconds. */
  declinedAt: number;
  /** The stage of its boot that was told last. */
  stage: string | undefined;
}

class Entry implements Machine {
  toldOfTwoMacs = false;
  link: GivenAddress | undefined = undefined;
  declinedAt = -Infinity;
  stage: string | undefined = undefined;
  newer: Entry | undefined;
  older: Entry | undefined;
  constructor(readonly mac: Mac) {}
}

/**
 * Remembers machines up to a bound. Seeing one moves a few links of a list and
 * allocates nothing, for it happens with every packet.
 */
export class MachineRegistry {
  readonly #entries = new Map<Mac, Entry>();
  readonly #limit: number;
  #newest: Entry | undefined;
  #oldest: Entry | undefined;

  /** @param limit How many machines are remembered; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many machines are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** The machine, if it is remembered; it becomes the most recently seen. */
  see(mac: Mac): Machine | undefined {
    const entry = this.#entries.get(mac);
    if (entry === undefined || entry === this.#newest) return entry;
    this.#unlink(entry);
    this.#linkNewest(entry);
    return entry;
  }

  /**
   * Remembers a machine that {@linkcode see} did not know, and forgets the one
   * that was not seen for the longest time when there are too many.
   */
  add(mac: Mac): Machine {
    if (this.#entries.size >= this.#limit && this.#oldest !== undefined) {
      const oldest = this.#oldest;
      this.#unlink(oldest);
      this.#entries.delete(oldest.mac);
    }
    const entry = new Entry(mac);
    this.#entries.set(mac, entry);
    this.#linkNewest(entry);
    return entry;
  }

  /** The machines, most recently seen first. */
  *[Symbol.iterator](): Generator<Machine> {
    for (let entry = this.#newest; entry !== undefined; entry = entry.older) {
      yield entry;
    }
  }

  #unlink(entry: Entry): void {
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    entry.newer = entry.older = undefined;
  }

  #linkNewest(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = entry;
    this.#newest = entry;
    this.#oldest ??= entry;
  }
}
