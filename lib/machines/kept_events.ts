/**
 * The events that machines keep, within a bound over all of them.
 *
 * They are numbers in a few arrays, for there may be very many: an object each
 * would take ten times the memory.
 *
 * @module
 */

import { MAX_EVENTS_OF_ONE } from "../limits.ts";
import { type EventName, EVENTS } from "./timeline.ts";
import type { Timestamp } from "./timestamp.ts";
import type { TransferDetail } from "./transfer_detail.ts";

/** Stands for "no event". */
const NONE = -1;

/** Slots that are made at first; twice as many whenever they are used up. */
const FIRST_SLOTS = 1024;

/** Whose events are kept. The fields belong to {@linkcode KeptEvents}. */
export class EventOwner {
  /** How many are kept. */
  keptCount = 0;
  /** Slots of the oldest and the newest. */
  oldestKept: number = NONE;
  newestKept: number = NONE;
}

/** An event that is kept. */
export interface KeptEvent {
  readonly event: EventName;
  readonly timestamp: Timestamp;
  /** The latest that was told of it. */
  readonly detail: TransferDetail | null;
  /** Its number in the stream of all events. */
  readonly sequence: number;
}

/** Keeps the last events of each owner, and of all of them together. */
export class KeptEvents {
  readonly #limit: number;
  #codes = new Uint8Array(0);
  #times = new Float64Array(0);
  #sequences = new Float64Array(0);
  /** The same owner's next event. */
  #following = new Int32Array(0);
  /** Neighbours in age, of all owners; `#newer` also links free slots. */
  #newer = new Int32Array(0);
  #older = new Int32Array(0);
  readonly #details: (TransferDetail | null)[] = [];
  readonly #owners: (EventOwner | undefined)[] = [];
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
    owner: EventOwner,
    code: number,
    timestamp: Timestamp,
    sequence: number,
    detail: TransferDetail | null,
  ): void {
    if (owner.keptCount >= MAX_EVENTS_OF_ONE) this.#forgetOldestOf(owner);
    else if (this.#size >= this.#limit) {
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
    if (owner.newestKept === NONE) owner.oldestKept = slot;
    else this.#following[owner.newestKept] = slot;
    owner.newestKept = slot;
    owner.keptCount++;
    this.#size++;
  }

  /** Replaces the detail of the owner's newest event of this kind, if it has one. */
  setDetail(owner: EventOwner, code: number, detail: TransferDetail): void {
    let found = NONE;
    for (
      let slot = owner.oldestKept;
      slot !== NONE;
      slot = this.#following[slot]!
    ) if (this.#codes[slot] === code) found = slot;
    if (found !== NONE) this.#details[found] = detail;
  }

  /** Forgets all of an owner. */
  forget(owner: EventOwner): void {
    while (owner.keptCount > 0) this.#forgetOldestOf(owner);
  }

  /** The owner's events, oldest first, up to a number in the stream. */
  *of(owner: EventOwner, sequence = Infinity): Generator<KeptEvent> {
    for (
      let slot = owner.oldestKept;
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

  #takeSlot(): number {
    if (this.#free === NONE) this.#grow();
    const slot = this.#free;
    this.#free = this.#newer[slot]!;
    return slot;
  }

  #forgetOldestOf(owner: EventOwner): void {
    const slot = owner.oldestKept;
    owner.oldestKept = this.#following[slot]!;
    if (owner.oldestKept === NONE) owner.newestKept = NONE;
    owner.keptCount--;
    const newer = this.#newer[slot]!;
    const older = this.#older[slot]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    this.#details[slot] = null;
    this.#owners[slot] = undefined;
    this.#newer[slot] = this.#free;
    this.#free = slot;
    this.#size--;
  }

  #grow(): void {
    const before = this.#codes.length;
    const length = Math.min(this.#limit, Math.max(FIRST_SLOTS, 2 * before));
    this.#codes = grown(this.#codes, new Uint8Array(length));
    this.#times = grown(this.#times, new Float64Array(length));
    this.#sequences = grown(this.#sequences, new Float64Array(length));
    this.#following = grown(this.#following, new Int32Array(length));
    this.#newer = grown(this.#newer, new Int32Array(length));
    this.#older = grown(this.#older, new Int32Array(length));
    for (let slot = length - 1; slot >= before; slot--) {
      this.#newer[slot] = this.#free;
      this.#free = slot;
    }
  }
}

function grown<Numbers extends { set(other: Numbers): void }>(
  old: Numbers,
  longer: Numbers,
): Numbers {
  longer.set(old);
  return longer;
}
