/**
 * The machines that were seen, with their stage and their events. The least
 * recently seen machine is evicted first.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { MAX_REFUSALS_PER_STAGE } from "../overload/limits.ts";
import { growColumns } from "./columns.ts";
import { EventHistory } from "./event_history.ts";
import { BootHistory, type KeptEvent } from "./boot_history.ts";
import {
  codeOf,
  type EventName,
  EVENTS,
  isNote,
  type Note,
  type Stage,
  transition,
} from "./boot_stages.ts";
import { EventClock, type Timestamp } from "./event_clock.ts";
import { LinkedSlots } from "./linked_slots.ts";
import {
  type EventDetail,
  isRefusal,
  type RefusalDetail,
} from "./boot_refusal.ts";
import { type Presence, presenceOf } from "./presence.ts";
import type { TransferDetail } from "./transfer_progress.ts";

/** The value of the `note` column when the stage has no note. */
const NO_NOTE = EVENTS.length;

/** The properties of machines, one slot for each machine. */
class MachineTable {
  readonly columns = {
    mac: new Float64Array(0),
    /** The sequence number of the first event. */
    birth: new Float64Array(0),
    subnetIndex: new Uint16Array(0),
    /** The code of the stage. */
    stage: new Uint8Array(0),
    /** The code of the last note in this stage. */
    note: new Uint8Array(0),
    /** When it was last heard, in milliseconds of the monotonic clock. */
    lastHeard: new Float64Array(0),
    /** 1 if it has released its address since, else 0. */
    isReleased: new Uint8Array(0),
  };
  readonly macSources: (string | undefined)[] = [];
}

/**
 * A view of a machine in the table. Valid until the next `add`, which may give
 * its slot to another machine.
 */
export class Machine {
  readonly #table: MachineTable;

  /** @param slot Its index in the columns. */
  constructor(table: MachineTable, readonly slot: number) {
    this.#table = table;
  }

  get mac(): Mac {
    return this.#table.columns.mac[this.slot]!;
  }

  /** Where in a DHCPv6 message its MAC was found; `undefined` if first seen by TFTP or HTTP. */
  get macSource(): string | undefined {
    return this.#table.macSources[this.slot];
  }

  /** The stage of its boot. */
  get stage(): Stage {
    return EVENTS[this.#table.columns.stage[this.slot]!] as Stage;
  }

  /** The index of its subnet in `ResponderOptions.subnets`. */
  get subnetIndex(): number {
    return this.#table.columns.subnetIndex[this.slot]!;
  }

  set subnetIndex(subnetIndex: number) {
    this.#table.columns.subnetIndex[this.slot] = subnetIndex;
  }

  /** When it was last heard, in milliseconds of the monotonic clock. */
  get lastHeard(): number {
    return this.#table.columns.lastHeard[this.slot]!;
  }

  /** Whether the last that was heard of it was a release of its address. */
  get isReleased(): boolean {
    return this.#table.columns.isReleased[this.slot] === 1;
  }

  /**
   * Something was heard of it.
   *
   * @param now Milliseconds of the monotonic clock.
   */
  heard(now: number, isReleased = false): void {
    const { columns } = this.#table;
    columns.lastHeard[this.slot] = now;
    columns.isReleased[this.slot] = isReleased ? 1 : 0;
  }
}

/** The limits of a registry. */
export interface RegistryOptions {
  /** The maximum number of machines; at least 1. */
  readonly machines: number;
  /** The maximum number of events of all machines together; at least 1. */
  readonly events: number;
}

/** Receives the events of all machines. Its methods must not block. */
export interface RegistryObserver {
  /** An event was recorded. */
  onEvent(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: EventDetail | null,
  ): void;
}

/**
 * Keeps a limited number of machines in the order in which they were last seen.
 * `see` runs for every packet: it takes constant time.
 */
export class MachineRegistry {
  /** The events of all machines, in order. */
  readonly history: EventHistory;
  /** How many machines are in each stage, by the stage's code. */
  readonly stageCounts: Float64Array = new Float64Array(EVENTS.length);
  /** How many machines were evicted for others. */
  evicted = 0;
  /** How many events were recorded since the start, by their code. */
  readonly eventCounts: Float64Array = new Float64Array(EVENTS.length);

  readonly #table = new MachineTable();
  /** The slots of the table, by when their machines were last seen. */
  readonly #slots: LinkedSlots;
  readonly #slotOf = new Map<Mac, number>();
  readonly #bootHistory: BootHistory;
  readonly #observer: RegistryObserver;
  readonly #clock: { now(): Timestamp };

  constructor(
    { machines, events }: RegistryOptions,
    observer: RegistryObserver,
    clock: { now(): Timestamp } = new EventClock(),
  ) {
    this.#slots = new LinkedSlots(machines);
    this.#bootHistory = new BootHistory(events);
    this.history = new EventHistory(events);
    this.#observer = observer;
    this.#clock = clock;
  }

  /** How many machines there are. */
  get size(): number {
    return this.#slots.size;
  }

  /** The machine, if it is known; it becomes the most recently seen. */
  see(mac: Mac): Machine | undefined {
    const slot = this.#slotOf.get(mac);
    if (slot === undefined) return undefined;
    this.#slots.touch(slot);
    return new Machine(this.#table, slot);
  }

  /** The machine, if it is known; the order stays as it is. */
  get(mac: Mac): Machine | undefined {
    const slot = this.#slotOf.get(mac);
    return slot === undefined ? undefined : new Machine(this.#table, slot);
  }

  /**
   * Adds a machine that {@linkcode see} did not find, and evicts the least recently
   * seen one if the limit is reached.
   *
   * @param subnetIndex The index of its base address.
   * @param macSource Where in a DHCPv6 message its MAC was found.
   */
  add(mac: Mac, subnetIndex: number, macSource?: string): Machine {
    const slot = this.#allocateSlot();
    const { columns, macSources } = this.#table;
    columns.mac[slot] = mac;
    columns.birth[slot] = this.history.next;
    columns.subnetIndex[slot] = subnetIndex;
    macSources[slot] = macSource;
    columns.stage[slot] = codeOf("init");
    columns.note[slot] = NO_NOTE;
    columns.lastHeard[slot] = performance.now();
    columns.isReleased[slot] = 0;
    this.#slotOf.set(mac, slot);
    this.stageCounts[codeOf("init")]!++;
    const machine = new Machine(this.#table, slot);
    this.#record(machine, "init", false, null);
    return machine;
  }

  /**
   * Records that a machine has come to a stage, or is in it still. Any stage may
   * follow any other: a jump is recorded as one.
   */
  reach(
    machine: Machine,
    stage: Stage,
    detail: TransferDetail | null = null,
  ): void {
    const { slot, stage: before } = machine;
    const kind = transition(before, stage);
    if (kind === "repeat") {
      const { note } = this.#table.columns;
      if (note[slot] === codeOf("released")) note[slot] = NO_NOTE;
      if (detail !== null) {
        this.#bootHistory.setDetail(slot, codeOf(stage), detail);
      }
    } else {
      if (kind === "jump") this.#record(machine, "jump_to", false, null);
      this.stageCounts[codeOf(before)]!--;
      this.stageCounts[codeOf(stage)]!++;
      this.#table.columns.stage[slot] = codeOf(stage);
      this.#table.columns.note[slot] = NO_NOTE;
    }
    this.#record(machine, stage, kind === "repeat", detail);
  }

  /** Records an event that leaves the machine in its stage. */
  note(machine: Machine, note: Exclude<Note, "boot_refused">): void {
    const { columns } = this.#table;
    const code = codeOf(note);
    const repeat = columns.note[machine.slot] === code;
    columns.note[machine.slot] = code;
    this.#record(machine, note, repeat, null);
  }

  /**
   * Records that a request of a machine was refused. It repeats the refusal
   * before it if that is the same, or if the stage has
   * {@linkcode MAX_REFUSALS_PER_STAGE} of them; the latest one is kept then.
   */
  refuse(machine: Machine, detail: RefusalDetail): void {
    const { slot } = machine;
    const code = codeOf("boot_refused");
    let count = 0;
    let latest: EventDetail | null = null;
    for (const kept of this.#bootHistory.of(slot)) {
      if (kept.event === "boot_refused") {
        count++;
        latest = kept.detail;
      } else if (!isNote(kept.event)) {
        count = 0;
        latest = null;
      }
    }
    const isSame = isRefusal(latest) && latest.path === detail.path &&
      latest.reason === detail.reason;
    const repeat = isSame || count >= MAX_REFUSALS_PER_STAGE;
    if (repeat) this.#bootHistory.setDetail(slot, code, detail);
    this.#table.columns.note[slot] = code;
    this.#record(machine, "boot_refused", repeat, detail);
  }

  /**
   * How many machines have each presence.
   *
   * @param lifetime Milliseconds of the valid lifetime.
   * @param now Milliseconds of the monotonic clock.
   */
  presenceCounts(lifetime: number, now: number): Record<Presence, number> {
    const counts = { online: 0, released: 0, offline: 0 };
    const { lastHeard, isReleased } = this.#table.columns;
    for (const slot of this.#slots.newestFirst()) {
      const silence = now - lastHeard[slot]!;
      counts[presenceOf(isReleased[slot] === 1, silence, lifetime)]++;
    }
    return counts;
  }

  /** The events of a machine, oldest first, up to a sequence number. */
  eventsOf({ slot }: Machine, sequence?: number): Iterable<KeptEvent> {
    return this.#bootHistory.of(slot, sequence);
  }

  /** The machines, most recently seen first. */
  *[Symbol.iterator](): Generator<Machine> {
    for (const slot of this.#slots.newestFirst()) {
      yield new Machine(this.#table, slot);
    }
  }

  /**
   * The machines that were known at a sequence number, oldest first. Machines may
   * be seen, added and evicted during the iteration.
   */
  *at(sequence: number): Generator<Machine> {
    for (const slot of this.#slotOf.values()) {
      // A map iterates in the order of insertion: the rest is newer still.
      if (this.#table.columns.birth[slot]! > sequence) return;
      yield new Machine(this.#table, slot);
    }
  }

  #record(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: EventDetail | null,
  ): void {
    const { slot, mac, subnetIndex } = machine;
    const code = codeOf(event);
    const now = this.#clock.now();
    const { history } = this;
    if (!repeat) this.#bootHistory.add(slot, code, now, history.next, detail);
    history.add(mac, subnetIndex, code, now, repeat, detail);
    this.eventCounts[code]!++;
    this.#observer.onEvent(machine, event, repeat, detail);
  }

  /** A slot for one more machine, for which another may be evicted. */
  #allocateSlot(): number {
    if (this.#slots.isFull) this.#evictOldest();
    const slot = this.#slots.allocate();
    const { columns } = this.#table;
    if (slot >= columns.mac.length) growColumns(columns, this.#slots.capacity);
    return slot;
  }

  /** Evicts the least recently seen machine. */
  #evictOldest(): void {
    const slot = this.#slots.oldest;
    const { columns } = this.#table;
    this.#slotOf.delete(columns.mac[slot]!);
    this.stageCounts[columns.stage[slot]!]!--;
    this.#bootHistory.forget(slot);
    this.#slots.free(slot);
    this.evicted++;
  }
}
