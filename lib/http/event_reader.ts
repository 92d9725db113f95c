/**
 * The readers of the event stream.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import type { BodySink } from "./body_source.ts";

/** One connection that reads the event stream. */
export class EventReader {
  /** Where its events go; `undefined` until it has asked for some. */
  sink: BodySink | undefined;
  /** What comes before the events; `undefined` when it is sent. */
  snapshot: Iterator<string> | undefined;
  /** Whether it has once received all events there were. */
  hasCaughtUp = false;
  /** Whether it has received all events and its socket accepts more. */
  isWaiting = false;
  isClosed = false;
  /** Whether its socket has accepted data since the last heartbeat. */
  isAlive = true;

  /**
   * @param mac The only machine whose events it reads; `undefined`: all.
   * @param position The number of the last event that it has.
   * @param unit Its share of the quota of readers.
   */
  constructor(
    readonly mac: Mac | undefined,
    public position: number,
    readonly unit: Disposable,
  ) {}
}

/** All readers of the event stream. */
export class EventReaders {
  readonly #readers = new Set<EventReader>();
  /** How many readers read the events of one machine only. */
  readonly #countByMac = new Map<Mac, number>();

  get size(): number {
    return this.#readers.size;
  }

  /** Whether any reader reads the events of one machine only. */
  get hasFilters(): boolean {
    return this.#countByMac.size > 0;
  }

  /** Whether any reader reads the events of this machine only. */
  hasFilterFor(mac: Mac): boolean {
    return this.#countByMac.has(mac);
  }

  /** In the order of their connections. */
  [Symbol.iterator](): Iterator<EventReader> {
    return this.#readers.values();
  }

  add(reader: EventReader): void {
    this.#readers.add(reader);
    const { mac } = reader;
    if (mac === undefined) return;
    this.#countByMac.set(mac, (this.#countByMac.get(mac) ?? 0) + 1);
  }

  delete(reader: EventReader): void {
    this.#readers.delete(reader);
    const { mac } = reader;
    if (mac === undefined) return;
    const count = this.#countByMac.get(mac)! - 1;
    if (count > 0) this.#countByMac.set(mac, count);
    else this.#countByMac.delete(mac);
  }
}
