/**
 * The last events of all machines in order. Each has a sequence number, with
 * which a client of the event stream resumes.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { growColumns, nextCapacity } from "./columns.ts";
import { type EventName, EVENTS } from "./boot_stages.ts";
import type { Timestamp } from "./event_clock.ts";
import type { EventDetail } from "./boot_refusal.ts";

/** An event with its machine. */
export interface MachineEvent {
  readonly mac: Mac;
  /** The index of the machine's base address. */
  readonly subnetIndex: number;
  readonly event: EventName;
  readonly timestamp: Timestamp;
  /** Whether the machine was in this stage already. */
  readonly repeat: boolean;
  readonly detail: EventDetail | null;
}

/** Keeps a limited number of events and evicts the oldest. */
export class EventHistory {
  /** The sequence number of the next event; that of the first is 1. */
  next = 1;

  readonly #limit: number;
  /** A ring: event number n is in slot n modulo the capacity. */
  readonly #columns = {
    mac: new Float64Array(0),
    timestamp: new Float64Array(0),
    subnetIndex: new Uint16Array(0),
    code: new Uint8Array(0),
    repeat: new Uint8Array(0),
  };
  readonly #details: (EventDetail | null)[] = [];
  #capacity = 0;

  /** @param limit The most events that are kept; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The sequence number of the oldest event. */
  get first(): number {
    return Math.max(1, this.next - this.#limit);
  }

  /** Adds an event. */
  add(
    mac: Mac,
    subnetIndex: number,
    code: number,
    timestamp: Timestamp,
    repeat: boolean,
    detail: EventDetail | null,
  ): void {
    if (this.next > this.#capacity && this.#capacity < this.#limit) {
      this.#grow();
    }
    const columns = this.#columns;
    const slot = this.next % this.#capacity;
    columns.mac[slot] = mac;
    columns.subnetIndex[slot] = subnetIndex;
    columns.code[slot] = code;
    columns.timestamp[slot] = timestamp;
    columns.repeat[slot] = repeat ? 1 : 0;
    this.#details[slot] = detail;
    this.next++;
  }

  /** The machine of an event. @param sequence From `first` to `next` - 1. */
  macAt(sequence: number): Mac {
    return this.#columns.mac[sequence % this.#capacity]!;
  }

  /** An event. @param sequence From `first` to `next` - 1. */
  at(sequence: number): MachineEvent {
    const columns = this.#columns;
    const slot = sequence % this.#capacity;
    return {
      mac: columns.mac[slot]!,
      subnetIndex: columns.subnetIndex[slot]!,
      event: EVENTS[columns.code[slot]!]!,
      timestamp: columns.timestamp[slot]!,
      repeat: columns.repeat[slot] === 1,
      detail: this.#details[slot]!,
    };
  }

  /**
   * Grows while every number from 1 on is in the ring. Only the last of them
   * moves: it was in slot 0.
   */
  #grow(): void {
    const last = this.#capacity;
    this.#capacity = nextCapacity(last, this.#limit);
    growColumns(this.#columns, this.#capacity);
    const details = this.#details;
    for (let slot = last; slot < this.#capacity; slot++) details.push(null);
    if (last === 0) return;
    for (const column of Object.values(this.#columns)) {
      column.copyWithin(last, 0, 1);
    }
    details[last] = details[0]!;
  }
}
