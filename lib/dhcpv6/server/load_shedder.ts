/**
 * Who asks so often that nothing is left for others.
 *
 * Reading a message and giving it up costs a third of answering it. So while
 * messages of machines get lost, whoever sends very many gets a part of its
 * answers only, and the others' messages are read in time. The kernel does not
 * say what it had no room for; a machine that has to repeat its message does.
 * While nobody else suffers, everybody may send what it likes.
 *
 * @module
 */

import {
  MAX_MESSAGES_PER_RELAY,
  MAX_MESSAGES_PER_SOURCE,
  OVERLOAD_MESSAGES,
} from "../../overload/limits.ts";
import { hashOf } from "./reply_classifier.ts";

/** Milliseconds of a window, in which messages are counted. */
export const WINDOW = 250;

/** Milliseconds for which others are spared after one has had to repeat. */
const SHED_DURATION = 60_000;

/** Places in which senders are counted, several in one if there are many. */
const COUNTER_SLOTS = 4096;

/** Counts messages by the address that they come from. */
export class LoadShedder {
  readonly #counts = new Uint32Array(COUNTER_SLOTS);
  #seed = 0;
  #total = 0;
  #wasOverloaded = false;
  #ends = 0;
  #shedUntil = -Infinity;

  /**
   * Counts a message: how many have come from its sender in this window, at
   * most.
   *
   * @param address The 16 octets of the address that it came from.
   * @param now Milliseconds of a clock that is never set.
   */
  count(address: Uint8Array, now: number): number {
    if (now >= this.#ends) this.#startWindow(now);
    this.#total++;
    return ++this.#counts[hashOf(address, this.#seed) % COUNTER_SLOTS]!;
  }

  /**
   * Whether a sender of so many messages has had enough.
   *
   * @param isRelayed Whether the sender speaks for others.
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
   * A sender has had to repeat a message. When there is more than can be
   * answered, and not from this one, that is why.
   *
   * @param address As it was counted before.
   * @param now Milliseconds of a clock that is never set.
   */
  onRetransmission(address: Uint8Array, now: number): void {
    if (!this.#isOverloaded) return;
    const place = hashOf(address, this.#seed) % COUNTER_SLOTS;
    if (this.#counts[place]! > MAX_MESSAGES_PER_SOURCE) return;
    this.#shedUntil = now + SHED_DURATION;
  }

  get #isOverloaded(): boolean {
    return this.#wasOverloaded || this.#total > OVERLOAD_MESSAGES;
  }

  #startWindow(now: number): void {
    this.#wasOverloaded = this.#total > OVERLOAD_MESSAGES;
    // Who shared a place with a loud one has another one now.
    this.#seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    this.#counts.fill(0);
    this.#total = 0;
    this.#ends = now + WINDOW;
  }
}
