/**
 * The last events of each machine, within a limit for all machines together.
 *
 * @module
 */

import { MAX_EVENTS_PER_MACHINE } from "../overload/limits.ts";
import { growColumns, nextCapacity, NONE } from "./columns.ts";
import { type EventName, EVENTS } from "./boot_stages.ts";
import type { Timestamp } from "./event_clock.ts";
import { LinkedSlots } from "./linked_slots.ts";
import type { EventDetail } from "./boot_refusal.ts";

/** An event of a machine's history. */
export interface KeptEvent {
  readonly event: EventName;
  readonly timestamp: Timestamp;
  /** The latest progress of its transfer, or the refused request. */
  readonly detail: EventDetail | null;
  /** Its sequence number among the events of all machines. */
  readonly sequence: number;
}

/**
 * Keeps the last {@linkcode MAX_EVENTS_PER_MACHINE} events of each owner, and a
 * limited number of all. Owners are slot numbers of machines: small integers.
 */
export class BootHistory {
  /** For each owner: how many events it has, and its oldest and newest slot. */
  readonly #owners = {
    count: new Uint8Array(0),
    oldest: new Int32Array(0),
    newest: new Int32Array(0),
  };
  /** For each event; `nextOfOwner` is the slot of the same owner's next event. */
  readonly #events = {
    code: new Uint8Array(0),
    timestamp: new Float64Array(0),
    sequence: new Float64Array(0),
    owner: new Int32Array(0),
    nextOfOwner: new Int32Array(0),
  };
  readonly #details: (EventDetail | null)[] = [];
  /** The slots of the events of all owners, by age. */
  readonly #slots: LinkedSlots;

  /** @param limit The most events of all owners together; at least 1. */
  constructor(limit: number) {
    this.#slots = new LinkedSlots(limit);
  }

  /** How many events are kept. */
  get size(): number {
    return this.#slots.size;
  }

  /** Adds an event; the owner's oldest, or the oldest of all, may be evicted. */
  add(
    owner: number,
    code: number,
    timestamp: Timestamp,
    sequence: number,
    detail: EventDetail | null,
  ): void {
    if (owner >= this.#owners.count.length) this.#growOwners(owner);
    this.#makeRoom(owner);
    const slot = this.#slots.allocate();
    const events = this.#events;
    if (slot >= events.code.length) growColumns(events, this.#slots.capacity);
    events.code[slot] = code;
    events.timestamp[slot] = timestamp;
    events.sequence[slot] = sequence;
    events.owner[slot] = owner;
    this.#details[slot] = detail;
    this.#append(owner, slot);
  }

  /** Replaces the detail of the owner's newest event with this code, if any. */
  setDetail(owner: number, code: number, detail: EventDetail): void {
    const { code: codes, nextOfOwner } = this.#events;
    let found = NONE;
    for (
      let slot = this.#oldestOf(owner);
      slot !== NONE;
      slot = nextOfOwner[slot]!
    ) if (codes[slot] === code) found = slot;
    if (found !== NONE) this.#details[found] = detail;
  }

  /** Removes all events of an owner. */
  forget(owner: number): void {
    while (this.#oldestOf(owner) !== NONE) this.#removeOldestOf(owner);
  }

  /** The owner's events, oldest first, up to a sequence number. */
  *of(owner: number, sequence = Infinity): Generator<KeptEvent> {
    const events = this.#events;
    for (
      let slot = this.#oldestOf(owner);
      slot !== NONE && events.sequence[slot]! <= sequence;
      slot = events.nextOfOwner[slot]!
    ) {
      yield {
        event: EVENTS[events.code[slot]!]!,
        timestamp: events.timestamp[slot]!,
        detail: this.#details[slot]!,
        sequence: events.sequence[slot]!,
      };
    }
  }

  #oldestOf(owner: number): number {
    return this.#owners.oldest[owner] ?? NONE;
  }

  /** Evicts an event if one more event of `owner` would exceed a limit. */
  #makeRoom(owner: number): void {
    if (this.#owners.count[owner]! >= MAX_EVENTS_PER_MACHINE) {
      this.#removeOldestOf(owner);
    } else if (this.#slots.isFull) {
      this.#removeOldestOf(this.#events.owner[this.#slots.oldest]!);
    }
  }

  #append(owner: number, slot: number): void {
    const { oldest, newest } = this.#owners;
    const { nextOfOwner } = this.#events;
    nextOfOwner[slot] = NONE;
    const previous = newest[owner]!;
    if (previous === NONE) oldest[owner] = slot;
    else nextOfOwner[previous] = slot;
    newest[owner] = slot;
    this.#owners.count[owner]!++;
  }

  #removeOldestOf(owner: number): void {
    const { oldest, newest } = this.#owners;
    const slot = oldest[owner]!;
    const next = this.#events.nextOfOwner[slot]!;
    oldest[owner] = next;
    if (next === NONE) newest[owner] = NONE;
    this.#owners.count[owner]!--;
    this.#details[slot] = null;
    this.#slots.free(slot);
  }

  #growOwners(owner: number): void {
    const before = this.#owners.count.length;
    const length = Math.max(owner + 1, nextCapacity(before, Infinity));
    growColumns(this.#owners, length);
    this.#owners.oldest.fill(NONE, before);
    this.#owners.newest.fill(NONE, before);
  }
}
