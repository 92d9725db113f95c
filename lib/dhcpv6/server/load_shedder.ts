/**
 * Per-source rate limit, active only under overload.
 *
 * Receiving and dropping a message costs a third of answering it. So while
 * messages of some clients are lost, the daemon answers only some of the messages
 * of a source that sends very many, and reads the others' in time. The kernel
 * does not report datagrams that it drops because the receive queue is full: the
 * overload signal is a retransmitted Solicit from another source. Without that
 * signal no source is limited.
 *
 * @module
 */

import {
  MAX_MESSAGES_PER_RELAY,
  MAX_MESSAGES_PER_SOURCE,
  OVERLOAD_MESSAGES,
} from "../../overload/limits.ts";
import { hashOf } from "./source_table.ts";

/** Milliseconds of a window in which messages are counted. */
export const WINDOW = 250;

/** Milliseconds for which sources are limited after an overload signal. */
const SHED_DURATION = 60_000;

/** Number of counters. Sources with the same hash share one. */
const COUNTER_SLOTS = 4096;

/** Counts messages by source address, and says which to drop. */
export class LoadShedder {
  readonly #counts = new Uint32Array(COUNTER_SLOTS);
  #seed = 0;
  #total = 0;
  #wasLastWindowOverloaded = false;
  #windowEndsAt = 0;
  #shedUntil = -Infinity;

  /**
   * Counts a message.
   *
   * @param address The 16 bytes of its source address.
   * @param now Milliseconds of a monotonic clock.
   * @returns The messages from this source in this window. Higher if another
   * source shares the counter.
   */
  count(address: Uint8Array, now: number): number {
    if (now >= this.#windowEndsAt) this.#startWindow(now);
    this.#total++;
    return ++this.#counts[hashOf(address, this.#seed) % COUNTER_SLOTS]!;
  }

  /**
   * Whether the latest of `count` messages from a source is over the limit, and
   * the limit in force.
   *
   * @param isRelayed Whether the source is a relay, which has a higher limit.
   * @param now Milliseconds of the same clock.
   */
  shouldDrop(count: number, isRelayed: boolean, now: number): boolean {
    if (
      count <= (isRelayed ? MAX_MESSAGES_PER_RELAY : MAX_MESSAGES_PER_SOURCE)
    ) {
      return false;
    }
    return this.#isOverloaded && now < this.#shedUntil;
  }

  /**
   * Notes a retransmitted Solicit. It is an overload signal if more messages come
   * than the daemon can answer and this source does not cause them.
   *
   * @param address The source address, already counted.
   * @param now Milliseconds of the same clock.
   */
  onRetransmission(address: Uint8Array, now: number): void {
    if (!this.#isOverloaded) return;
    const slot = hashOf(address, this.#seed) % COUNTER_SLOTS;
    if (this.#counts[slot]! > MAX_MESSAGES_PER_SOURCE) return;
    this.#shedUntil = now + SHED_DURATION;
  }

  get #isOverloaded(): boolean {
    return this.#wasLastWindowOverloaded || this.#total > OVERLOAD_MESSAGES;
  }

  #startWindow(now: number): void {
    this.#wasLastWindowOverloaded = this.#total > OVERLOAD_MESSAGES;
    // With a new seed, a client that shared a counter with a flood has another
    // one in this window.
    this.#seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    this.#counts.fill(0);
    this.#total = 0;
    this.#windowEndsAt = now + WINDOW;
  }
}
