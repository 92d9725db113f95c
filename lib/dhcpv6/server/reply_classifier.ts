/**
 * Who is answered, and how far it is to be believed that somebody is there.
 *
 * An answer to an address that nobody has stays in the send buffer of its
 * socket for three seconds, while the kernel asks who has it (RFC 4861 §7.2.2);
 * some 270 of them fill it, and nobody is answered. A source address is written
 * in a moment by whoever likes. So answers leave through one socket for each
 * class of sources: what cannot be delivered is in nobody else's way.
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
 * `known`: it has used an answer, so it was there to receive it. `again`: it
 * asks once more, after a pause, as those do who have got no answer. `new`: it
 * may be anybody.
 */
export type SourceClass = "known" | "again" | "new";

/**
 * Milliseconds of one tick of the clock that is kept with a source. Clients
 * repeat after about a second (RFC 8415 §15): two ticks, or one and a bit.
 */
const TICK_DURATION = 400;

/** Milliseconds after which it counts as another message: ticks have 8 bits. */
const RETRANSMISSION_WINDOW = 90_000;

/** The bits that stand for the address. */
const MARK = 0xffff_ff00 | 0;

/**
 * Places in which one source can be; a new one takes the oldest's. As many as
 * fit into a line of a processor's cache: there is no better bargain.
 */
const SLOTS_PER_BUCKET = 8;

/** Link-local addresses that ask. */
export class ReplyClassifier {
  readonly #confirmed = new Set<string>();
  /** Those that were answered, and have not used it yet. */
  readonly #unconfirmed = new Set<string>();
  /** Who asked and when: 24 bits that stand for an address, 8 for the time. */
  #seen: Uint32Array | undefined;
  /** Nobody can find addresses that are taken for one another. */
  readonly #seeds = crypto.getRandomValues(new Uint32Array(2));

  /** Whether those who ask are remembered: not before there are too many. */
  get isTracking(): boolean {
    return this.#seen !== undefined;
  }

  /** Whether a source has used an answer. */
  isConfirmed(hostname: string): boolean {
    return this.#confirmed.has(hostname);
  }

  /** A source that is not known is being answered. */
  addUnconfirmed(hostname: string): void {
    addTo(this.#unconfirmed, hostname, MAX_UNCONFIRMED_SOURCES);
  }

  /**
   * A source has sent a message that only somebody can send who has had an
   * answer. One that was never answered may have that from elsewhere.
   */
  confirm(hostname: string): void {
    if (!this.#unconfirmed.delete(hostname)) return;
    addTo(this.#confirmed, hostname, MAX_CONFIRMED_SOURCES);
  }

  /**
   * What a source that is not known is, and remembers that it has asked.
   *
   * @param address Its 16 octets.
   * @param now Milliseconds of a clock that is never set.
   */
  classify(address: Uint8Array, now: number): "again" | "new" {
    const asked = this.#seen ??= new Uint32Array(SOURCE_TABLE_SIZE);
    const first = SLOTS_PER_BUCKET *
      (hashOf(address, this.#seeds[0]!) %
        (SOURCE_TABLE_SIZE / SLOTS_PER_BUCKET));
    const mark = hashOf(address, this.#seeds[1]!) & MARK;
    const tick = (Math.floor(now / TICK_DURATION) + 1) & ~MARK;
    let oldest = first;
    let mostTicks = -1;
    for (let place = first; place < first + SLOTS_PER_BUCKET; place++) {
      const kept = asked[place]!;
      const ticks = kept === 0 ? Infinity : (tick - kept) & ~MARK;
      if ((kept & MARK) === mark && kept !== 0) {
        if (ticks < 2) return "new"; // one may be no more than a moment
        if (ticks * TICK_DURATION < RETRANSMISSION_WINDOW) return "again";
        oldest = place;
        break;
      }
      if (ticks > mostTicks) {
        mostTicks = ticks;
        oldest = place;
      }
    }
    asked[oldest] = mark | tick;
    return "new";
  }
}

/** 32 bits that stand for the 16 octets of an address. */
export function hashOf(address: Uint8Array, seed: number): number {
  let hash = seed;
  for (let index = 0; index < IPV6_LENGTH; index++) {
    hash = Math.imul(hash ^ address[index]!, 0x0100_0193);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
}

/** Adds to a set, and forgets the oldest when there are too many. */
function addTo(set: Set<string>, value: string, limit: number): void {
  if (set.size >= limit && !set.has(value)) {
    for (const oldest of set) {
      set.delete(oldest);
      break;
    }
  }
  set.add(value);
}
