/**
 * Tells the sources that send again after a pause, as a client without a reply
 * does, from addresses that are forged once.
 *
 * @module
 */

import { SOURCE_TABLE_SIZE } from "../../overload/limits.ts";
import { IPV6_LENGTH } from "../../net/ipv6.ts";

/**
 * Milliseconds per tick of the time in a table entry. Clients retransmit after
 * about 1 second (RFC 8415 §15), which is at least 2 ticks.
 */
const TICK_DURATION = 400;

/**
 * Milliseconds after which a message is a first one again. The age of an entry
 * has 8 bits, which is 102 seconds.
 */
const RETRANSMISSION_WINDOW = 90_000;

/**
 * Ticks that retransmissions are at least apart, by how many have counted before:
 * 1 may be a moment only. Clients double their timeouts (RFC 8415 section 15);
 * some have a constant one of 3 s.
 */
const MIN_TICKS = [2, 4, 7] as const;

/**
 * The bits of a table entry: a tag that identifies the address, how many
 * messages have counted, up to 2, and the tick of its last message that counted.
 */
const TICK_MASK = 0xff;
const COUNT_SHIFT = 8;
const COUNT_MASK = 3;
const TAG_MASK = 0xffff_fc00 | 0;

/**
 * Table entries in which one source can be: 8 of 4 bytes are within 1 cache line
 * of 64 bytes. A new source replaces the oldest of them.
 */
const SLOTS_PER_BUCKET = 8;

/** The sources of recent messages. */
export class SourceTable {
  /** Hash table of sources: see {@linkcode TAG_MASK}. */
  #table: Uint32Array | undefined;
  /** Random, so that an attacker cannot compute addresses that collide. */
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));

  /**
   * Whether {@linkcode isRetransmitting} has been called. Without a flood there
   * is no need for the table.
   */
  get isUsed(): boolean {
    return this.#table !== undefined;
  }

  /**
   * Whether a source sends again after a pause, of which each one counts once.
   * Remembers its message.
   *
   * @param address The 16 bytes of its address.
   * @param now Milliseconds of a monotonic clock.
   */
  isRetransmitting(address: Uint8Array, now: number): boolean {
    const table = this.#table ??= new Uint32Array(SOURCE_TABLE_SIZE);
    const bucket = SLOTS_PER_BUCKET *
      (hashOf(address, this.#seeds[0]!) %
        (SOURCE_TABLE_SIZE / SLOTS_PER_BUCKET));
    const tag = hashOf(address, this.#seeds[1]!) & TAG_MASK;
    const tick = (Math.floor(now / TICK_DURATION) + 1) & TICK_MASK;
    let oldest = bucket;
    let highestAge = -1;
    for (let slot = bucket; slot < bucket + SLOTS_PER_BUCKET; slot++) {
      const entry = table[slot]!;
      const age = entry === 0 ? Infinity : (tick - entry) & TICK_MASK;
      if ((entry & TAG_MASK) === tag && entry !== 0) {
        const count = entry >>> COUNT_SHIFT & COUNT_MASK;
        if (age < MIN_TICKS[count]!) return false;
        const next = Math.min(count + 1, MIN_TICKS.length - 1);
        const isInTime = age * TICK_DURATION < RETRANSMISSION_WINDOW;
        table[slot] = tag | (isInTime ? next << COUNT_SHIFT : 0) | tick;
        return isInTime;
      }
      if (age > highestAge) {
        highestAge = age;
        oldest = slot;
      }
    }
    table[oldest] = tag | tick;
    return false;
  }
}

/** A hash of the 16 bytes of an address, 32 bits. */
export function hashOf(address: Uint8Array, seed: number): number {
  let hash = seed;
  for (let index = 0; index < IPV6_LENGTH; index++) {
    hash = Math.imul(hash ^ address[index]!, 0x0100_0193);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}
