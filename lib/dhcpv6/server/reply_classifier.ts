/**
 * Classifies the link-local sources of messages by the evidence that a client is
 * at the address.
 *
 * The kernel keeps a reply to an address that no host has in the send buffer of
 * its socket for 3 seconds, the time of neighbor discovery (RFC 4861 §7.2.2).
 * About 270 such replies fill the buffer and block all others of that socket, and
 * source addresses are easy to forge. So each class of sources has a socket of
 * its own: undeliverable replies delay replies of the same class only.
 *
 * @module
 */

import {
  MAX_CONFIRMED_SOURCES,
  MAX_UNCONFIRMED_SOURCES,
  SOURCE_TABLE_SIZE,
} from "../../overload/limits.ts";
import { IPV6_LENGTH } from "../../net/ipv6.ts";

/**
 * - `confirmed`: the source has used a reply, so it has received one.
 * - `retransmitting`: the source sends again after a pause, as a client without
 *   a reply does.
 * - `unverified`: the source address may be forged.
 */
export type SourceClass = "confirmed" | "retransmitting" | "unverified";

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

/** Ticks that a retransmission is at least apart: 1 may be a moment only. */
const MIN_TICKS = 2;

/** The bits of a table entry that identify the address; the others are a tick. */
const TAG_MASK = 0xffff_ff00 | 0;

/**
 * Table entries in which one source can be: 8 of 4 bytes are within 1 cache line
 * of 64 bytes. A new source replaces the oldest of them.
 */
const SLOTS_PER_BUCKET = 8;

/** Classifies sources, and remembers as much as that takes. */
export class ReplyClassifier {
  readonly #confirmed = new Set<string>();
  /** Sources that were sent a reply and have not used it yet. */
  readonly #unconfirmed = new Set<string>();
  /** Hash table of sources: a tag of 24 bits and the tick of the message. */
  #table: Uint32Array | undefined;
  /** Random, so that an attacker cannot compute addresses that collide. */
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));

  /** Whether {@linkcode classify} has been called, so that its table exists. */
  get isTracking(): boolean {
    return this.#table !== undefined;
  }

  /** Whether a source has used a reply. */
  isConfirmed(hostname: string): boolean {
    return this.#confirmed.has(hostname);
  }

  /** Remembers that a source that is not confirmed is sent a reply. */
  addUnconfirmed(hostname: string): void {
    addWithLimit(this.#unconfirmed, hostname, MAX_UNCONFIRMED_SOURCES);
  }

  /**
   * Confirms a source, whose message takes a reply to send. Sources that were
   * sent no reply stay unconfirmed: the content may be from elsewhere.
   */
  confirm(hostname: string): void {
    if (!this.#unconfirmed.delete(hostname)) return;
    addWithLimit(this.#confirmed, hostname, MAX_CONFIRMED_SOURCES);
  }

  /**
   * Classifies a source that is not confirmed, and remembers its message.
   *
   * @param address The 16 bytes of its address.
   * @param now Milliseconds of a monotonic clock.
   */
  classify(address: Uint8Array, now: number): "retransmitting" | "unverified" {
    const table = this.#table ??= new Uint32Array(SOURCE_TABLE_SIZE);
    const bucket = SLOTS_PER_BUCKET *
      (hashOf(address, this.#seeds[0]!) %
        (SOURCE_TABLE_SIZE / SLOTS_PER_BUCKET));
    const tag = hashOf(address, this.#seeds[1]!) & TAG_MASK;
    const tick = (Math.floor(now / TICK_DURATION) + 1) & ~TAG_MASK;
    let oldest = bucket;
    let highestAge = -1;
    for (let slot = bucket; slot < bucket + SLOTS_PER_BUCKET; slot++) {
      const entry = table[slot]!;
      const age = entry === 0 ? Infinity : (tick - entry) & ~TAG_MASK;
      if ((entry & TAG_MASK) === tag && entry !== 0) {
        if (age < MIN_TICKS) return "unverified";
        if (age * TICK_DURATION < RETRANSMISSION_WINDOW) {
          return "retransmitting";
        }
        oldest = slot;
        break;
      }
      if (age > highestAge) {
        highestAge = age;
        oldest = slot;
      }
    }
    table[oldest] = tag | tick;
    return "unverified";
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

/** Adds to a set of at most `limit` values, which evicts the oldest one. */
function addWithLimit(set: Set<string>, value: string, limit: number): void {
  if (set.size >= limit && !set.has(value)) {
    for (const oldest of set) {
      set.delete(oldest);
      break;
    }
  }
  set.add(value);
}
