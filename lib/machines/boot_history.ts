/**
 * The events that machines keep, within a bound over all of them.
 *
 * @module
 */

import { MAX_EVENTS_PER_MACHINE } from "../overload/limits.ts";
import { grown, nextCapacity, NONE } from "./columns.ts";
import { type EventName, EVENTS } from "./boot_stages.ts";
import type { Timestamp } from "./event_clock.ts";
import type { TransferDetail } from "./transfer_progress.ts";

/** An event that is kept. */
export interface KeptEvent {
  readonly event: EventName;
  readonly timestamp: Timestamp;
  /** The latest that was told of it. */
  readonly detail: TransferDetail | null;
  /** Its number in the stream of all events. */
  readonly sequence: number;
}

/**
 * Keeps the last events of each owner, and of all of them together. Owners are
 * numbers from 0 on, without many gaps.
 */
export class BootHistory {
  readonly #limit: number;
  /** How many each owner has, and the slots of its oldest and its newest. */
  #counts = new Uint8Array(0);
  #oldestOf = new Int32Array(0);
  #newestOf = new Int32Array(0);
  #codes = new Uint8Array(0);
  #times = new Float64Array(0);
  #sequences = new Float64Array(0);
  #owners = new Int32Array(0);
  /** The same owner's next event. */
  #following = new Int32Array(0);
  /** Neighbours in age, of all owners; `#newer` also links free slots. */
  #newer = new Int32Array(0);
  #older = new Int32Array(0);
  readonly #details: (TransferDetail | null)[] = [];
  #oldest = NONE;
  #newest = NONE;
  #free = NONE;
  #size = 0;

  /** @param limit How many are kept over all owners; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many are kept. */
  get size(): number {
    return this.#size;
  }

  /** Keeps an event; the owner's oldest, or the oldest of all, may go for it. */
  add(
    owner: number,
    code: number,
    timestamp: Timestamp,
    sequence: number,
    detail: TransferDetail | null,
  ): void {
    if (owner >= this.#counts.length) this.#growOwners(owner);
    if (this.#counts[owner]! >= MAX_EVENTS_PER_MACHINE) {
      this.#forgetOldestOf(owner);
    } else if (this.#size >= this.#limit) {
      this.#forgetOldestOf(this.#owners[this.#oldest]!);
    }
    const slot = this.#takeSlot();
    this.#codes[slot] = code;
    this.#times[slot] = timestamp;
    this.#sequences[slot] = sequence;
    this.#details[slot] = detail;
    this.#owners[slot] = owner;
    this.#following[slot] = NONE;
    this.#newer[slot] = NONE;
    this.#older[slot] = this.#newest;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    const before = this.#newestOf[owner]!;
    if (before === NONE) this.#oldestOf[owner] = slot;
    else this.#following[before] = slot;
    this.#newestOf[owner] = slot;
    this.#counts[owner]!++;
    this.#size++;
  }

  /** Replaces the detail of the owner's newest event of this kind, if it has one. */
  setDetail(owner: number, code: number, detail: TransferDetail): void {
    let found = NONE;
    for (
      let slot = this.#firstOf(owner);
      slot !== NONE;
      slot = this.#following[slot]!
    ) if (this.#codes[slot] === code) found = slot;
    if (found !== NONE) this.#details[found] = detail;
  }

  /** Forgets all of an owner. */
  forget(owner: number): void {
    while (this.#firstOf(owner) !== NONE) this.#forgetOldestOf(owner);
  }

  /** The owner's events, oldest first, up to a number in the stream. */
  *of(owner: number, sequence = Infinity): Generator<KeptEvent> {
    for (
      let slot = this.#firstOf(owner);
      slot !== NONE && this.#sequences[slot]! <= sequence;
      slot = this.#following[slot]!
    ) {
      yield {
        event: EVENTS[this.#codes[slot]!]!,
        timestamp: this.#times[slot]!,
        detail: this.#details[slot]!,
        sequence: this.#sequences[slot]!,
      };
    }
  }

  /** The slot of the owner's oldest event. */
  #firstOf(owner: number): number {
    return this.#oldestOf[owner] ?? NONE;
  }

  #takeSlot(): number {
    if (this.#free === NONE) this.#grow();
    const slot = this.#free;
    this.#free = this.#newer[slot]!;
    return slot;
  }

  #forgetOldestOf(owner: number): void {
    const slot = this.#oldestOf[owner]!;
    const following = this.#following[slot]!;
    this.#oldestOf[owner] = following;
    if (following === NONE) this.#newestOf[owner] = NONE;
    this.#counts[owner]!--;
    const newer = this.#newer[slot]!;
    const older = this.#older[slot]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    this.#details[slot] = null;
    this.#newer[slot] = this.#free;
    this.#free = slot;
    this.#size--;
  }

  #grow(): void {
    const before = this.#codes.length;
    const length = nextCapacity(before, this.#limit);
    this.#codes = grown(this.#codes, new Uint8Array(length));
    this.#times = grown(this.#times, new Float64Array(length));
    this.#sequences = grown(this.#sequences, new Float64Array(length));
    this.#owners = grown(this.#owners, new Int32Array(length));
    this.#following = grown(this.#following, new Int32Array(length));
    this.#newer = grown(this.#newer, new Int32Array(length));
    this.#older = grown(this.#older, new Int32Array(length));
    for (let slot = length - 1; slot >= before; slot--) {
      this.#newer[slot] = this.#free;
      this.#free = slot;
    }
  }

  #growOwners(owner: number): void {
    const before = this.#counts.length;
    const length = Math.max(owner + 1, nextCapacity(before, Infinity));
    this.#counts = grown(this.#counts, new Uint8Array(length));
    this.#oldestOf = grown(this.#oldestOf, new Int32Array(length));
    this.#newestOf = grown(this.#newestOf, new Int32Array(length));
    this.#oldestOf.fill(NONE, before);
    this.#newestOf.fill(NONE, before);
  }
}
