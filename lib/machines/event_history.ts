/**
 * The last events of all machines in the order in which they happened, each
 * with a number, so that whoever was away can have what was missed.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { nextCapacity } from "./columns.ts";
import { type EventName, EVENTS } from "./boot_stages.ts";
import type { Timestamp } from "./event_clock.ts";
import type { TransferDetail } from "./transfer_progress.ts";

/** An event of a machine as it is told. */
export interface MachineEvent {
  readonly mac: Mac;
  /** The machine's base address, by its index in the list of links. */
  readonly subnetIndex: number;
  readonly event: EventName;
  readonly timestamp: Timestamp;
  /** Whether the machine was in this stage already. */
  readonly repeat: boolean;
  readonly detail: TransferDetail | null;
}

/**
 * Remembers events up to a bound, oldest out first. Numbers in arrays, as in
 * the events that machines keep.
 */
export class EventHistory {
  /** The number that the next event gets; the first ever is 1. */
  next = 1;

  readonly #limit: number;
  #room = 0;
  #macs = new Float64Array(0);
  #times = new Float64Array(0);
  #codes = new Uint8Array(0);
  #repeats = new Uint8Array(0);
  #subnetIndexes = new Uint16Array(0);
  #details: (TransferDetail | null)[] = [];

  /** @param limit How many are remembered; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The number of the oldest that is remembered. */
  get first(): number {
    return Math.max(1, this.next - this.#limit);
  }

  /** Remembers an event. */
  add(
    mac: Mac,
    subnetIndex: number,
    code: number,
    timestamp: Timestamp,
    repeat: boolean,
    detail: TransferDetail | null,
  ): void {
    if (this.next > this.#room && this.#room < this.#limit) this.#grow();
    const at = this.next % this.#room;
    this.#macs[at] = mac;
    this.#subnetIndexes[at] = subnetIndex;
    this.#codes[at] = code;
    this.#times[at] = timestamp;
    this.#repeats[at] = repeat ? 1 : 0;
    this.#details[at] = detail;
    this.next++;
  }

  /** Whose the event with a number is that is remembered. */
  macAt(sequence: number): Mac {
    return this.#macs[sequence % this.#room]!;
  }

  /** The event with a number that is remembered. */
  at(sequence: number): MachineEvent {
    const at = sequence % this.#room;
    return {
      mac: this.#macs[at]!,
      subnetIndex: this.#subnetIndexes[at]!,
      event: EVENTS[this.#codes[at]!]!,
      timestamp: this.#times[at]!,
      repeat: this.#repeats[at] === 1,
      detail: this.#details[at]!,
    };
  }

  /** Makes more room while no number has come round yet. */
  #grow(): void {
    const old = this.#room;
    const room = nextCapacity(old, this.#limit);
    this.#macs = moved(this.#macs, new Float64Array(room), old);
    this.#times = moved(this.#times, new Float64Array(room), old);
    this.#codes = moved(this.#codes, new Uint8Array(room), old);
    this.#repeats = moved(this.#repeats, new Uint8Array(room), old);
    this.#subnetIndexes = moved(
      this.#subnetIndexes,
      new Uint16Array(room),
      old,
    );
    const details = new Array<TransferDetail | null>(room).fill(null);
    for (let at = 0; at < old; at++) details[at] = this.#details[at]!;
    if (old > 0) details[old % room] = this.#details[0]!;
    this.#details = details;
    this.#room = room;
  }
}

/** Copies entries; the last one was the first place's in the smaller ring. */
function moved<Numbers extends Float64Array | Uint8Array | Uint16Array>(
  from: Numbers,
  to: Numbers,
  old: number,
): Numbers {
  to.set(from);
  if (old > 0) to[old % to.length] = from[0]!;
  return to;
}
