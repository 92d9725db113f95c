/**
 * Which sources a reply reaches at once.
 *
 * The kernel keeps a reply to an address that no host has in the send buffer of
 * its socket for 3 seconds, the time of address resolution (RFC 4861 section
 * 7.2.2). About 270 such replies fill the buffer and block all others of that
 * socket, and source addresses are easy to forge. So the kernel is asked first.
 *
 * @module
 */

import { IPV6_LENGTH } from "../../net/ipv6.ts";
import type { NeighbourCalls } from "../../net/neighbours.ts";
import { hashOf } from "./source_table.ts";

/**
 * Milliseconds for which an address counts as reachable. The kernel goes on
 * sending to a neighbour that is known for 3 s after it has begun to probe it (RFC
 * 4861 section 7.3.3).
 */
const REACHABLE_FOR = 500;

/** Addresses that are remembered. Of those with the same hash, the last. */
const SLOTS = 4096;

/** What the kernel knows of the next hops, remembered for a moment. */
export class NextHops {
  readonly #neighbours: NeighbourCalls | undefined;
  readonly #onLink = new RecentAddresses();
  readonly #anywhere = new RecentAddresses();

  /** @param neighbours `undefined`: what the kernel knows is unknown. */
  constructor(neighbours: NeighbourCalls | undefined) {
    this.#neighbours = neighbours;
  }

  /**
   * Whether a reply to an address on the link reaches a host at once. Unknown is
   * not reachable.
   *
   * @param address 16 bytes.
   * @param ifindex The index of the link's interface.
   * @param now Milliseconds of a monotonic clock.
   */
  isNeighbour(address: Uint8Array, ifindex: number, now: number): boolean {
    if (this.#onLink.has(address, now)) return true;
    if (!this.#neighbours?.isKnown(address, ifindex)) return false;
    this.#onLink.add(address, now);
    return true;
  }

  /**
   * Whether a reply to an address anywhere leaves this host at once. Unknown is
   * reachable.
   *
   * @param address 16 bytes; no link-local address.
   * @param source The 16 bytes of the address that it is sent from.
   * @param now Milliseconds of a monotonic clock.
   */
  isReachable(address: Uint8Array, source: Uint8Array, now: number): boolean {
    if (this.#neighbours === undefined) return true;
    if (this.#anywhere.has(address, now)) return true;
    if (!this.#neighbours.isNextHopKnown(address, source)) return false;
    this.#anywhere.add(address, now);
    return true;
  }
}

/** Addresses that were reachable a moment ago. */
class RecentAddresses {
  /** 16 bytes each, and until when they count. */
  readonly #addresses = new Uint8Array(SLOTS * IPV6_LENGTH);
  readonly #until = new Float64Array(SLOTS).fill(-Infinity);
  readonly #seed = crypto.getRandomValues(new Uint32Array(1))[0]!;

  has(address: Uint8Array, now: number): boolean {
    const slot = hashOf(address, this.#seed) % SLOTS;
    if (now >= this.#until[slot]!) return false;
    const at = slot * IPV6_LENGTH;
    for (let index = 0; index < IPV6_LENGTH; index++) {
      if (this.#addresses[at + index] !== address[index]) return false;
    }
    return true;
  }

  add(address: Uint8Array, now: number): void {
    const slot = hashOf(address, this.#seed) % SLOTS;
    this.#addresses.set(address, slot * IPV6_LENGTH);
    this.#until[slot] = now + REACHABLE_FOR;
  }
}
