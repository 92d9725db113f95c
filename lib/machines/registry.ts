/**
 * The machines that were seen and what happened to them, least recently seen
 * out first.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { growColumns } from "./columns.ts";
import { EventHistory } from "./event_history.ts";
import { BootHistory, type KeptEvent } from "./boot_history.ts";
import {
  codeOf,
  type EventName,
  EVENTS,
  type Note,
  type Stage,
  transition,
} from "./boot_stages.ts";
import { EventClock, type Timestamp } from "./event_clock.ts";
import { LinkedSlots } from "./linked_slots.ts";
import type { TransferDetail } from "./transfer_progress.ts";

/** A note's place while none was told. */
const NO_NOTE = EVENTS.length;

/** What is known of machines, one slot for each. */
class MachineTable {
  readonly columns = {
    mac: new Float64Array(0),
    /** The number of the first event. */
    birth: new Float64Array(0),
    noteTime: new Float64Array(0),
    subnetIndex: new Uint16Array(0),
    twoMacsReported: new Uint8Array(0),
    /** The code of the stage. */
    stage: new Uint8Array(0),
    /** The code of the note that was told last in this stage. */
    note: new Uint8Array(0),
  };
  readonly macSources: (string | undefined)[] = [];
}

/**
 * A machine that was seen. Good until the registry is told of something else:
 * another machine may have its place then.
 */
export class Machine {
  readonly #table: MachineTable;

  /** @param slot Where it is in the columns. */
  constructor(table: MachineTable, readonly slot: number) {
    this.#table = table;
  }

  get mac(): Mac {
    return this.#table.columns.mac[this.slot]!;
  }

  /** Where its MAC was found, if DHCPv6 found it. */
  get macSource(): string | undefined {
    return this.#table.macSources[this.slot];
  }

  /** The stage of its boot. */
  get stage(): Stage {
    return EVENTS[this.#table.columns.stage[this.slot]!] as Stage;
  }

  /** The base address that its own begins with, by its index. */
  get subnetIndex(): number {
    return this.#table.columns.subnetIndex[this.slot]!;
  }

  set subnetIndex(subnetIndex: number) {
    this.#table.columns.subnetIndex[this.slot] = subnetIndex;
  }

  /** Whether the operator was told that its messages name two MACs. */
  get twoMacsReported(): boolean {
    return this.#table.columns.twoMacsReported[this.slot] === 1;
  }

  set twoMacsReported(told: boolean) {
    this.#table.columns.twoMacsReported[this.slot] = told ? 1 : 0;
  }

  /** When the operator was last told a note of it, in milliseconds. */
  get notedAt(): number {
    return this.#table.columns.noteTime[this.slot]!;
  }

  set notedAt(time: number) {
    this.#table.columns.noteTime[this.slot] = time;
  }
}

/** What a registry is bound by. */
export interface RegistryOptions {
  /** Machines that are remembered; at least 1. */
  readonly machines: number;
  /** Events that are remembered, of all machines together; at least 1. */
  readonly events: number;
}

/** Whoever wants to know what happens. Nothing here may wait. */
export interface RegistryObserver {
  /** Something happened to a machine. */
  onEvent(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: TransferDetail | null,
  ): void;
}

/**
 * Remembers machines up to a bound. Seeing one moves a few links of a list, for
 * it happens with every packet.
 */
export class MachineRegistry {
  /** What happened to all of them, in order. */
  readonly history: EventHistory;
  /** How many machines are in each stage, by the stage's code. */
  readonly stageCounts: Float64Array = new Float64Array(EVENTS.length);
  /** Machines that had to go for others. */
  evicted = 0;
  /** How many events there were since the start, by their code. */
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

  /** How many machines are remembered. */
  get size(): number {
    return this.#slots.size;
  }

  /** The machine, if it is remembered; it becomes the most recently seen. */
  see(mac: Mac): Machine | undefined {
    const slot = this.#slotOf.get(mac);
    if (slot === undefined) return undefined;
    this.#slots.touch(slot);
    return new Machine(this.#table, slot);
  }

  /** The machine, if it is remembered, without its being seen. */
  get(mac: Mac): Machine | undefined {
    const slot = this.#slotOf.get(mac);
    return slot === undefined ? undefined : new Machine(this.#table, slot);
  }

  /**
   * Remembers a machine that {@linkcode see} did not know, and forgets the one
   * that was not seen for the longest time when there are too many.
   *
   * @param subnetIndex The index of its base address.
   * @param macSource Where its MAC was found, if DHCPv6 found it.
   */
  add(mac: Mac, subnetIndex: number, macSource?: string): Machine {
    const slot = this.#allocateSlot();
    const { columns, macSources } = this.#table;
    columns.mac[slot] = mac;
    columns.birth[slot] = this.history.next;
    columns.noteTime[slot] = -Infinity;
    columns.subnetIndex[slot] = subnetIndex;
    macSources[slot] = macSource;
    columns.twoMacsReported[slot] = 0;
    columns.stage[slot] = codeOf("init");
    columns.note[slot] = NO_NOTE;
    this.#slotOf.set(mac, slot);
    this.stageCounts[codeOf("init")]!++;
    const machine = new Machine(this.#table, slot);
    this.#record(machine, "init", false, null);
    return machine;
  }

  /**
   * A machine has come to a stage, or is told once more to be in it. Whatever
   * the stage, it is taken: a jump is only told to be one.
   */
  reach(
    machine: Machine,
    stage: Stage,
    detail: TransferDetail | null = null,
  ): void {
    const { slot, stage: before } = machine;
    const kind = transition(before, stage);
    if (kind === "repeat") {
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

  /** Something happened to a machine that changes no stage. */
  note(machine: Machine, note: Note): void {
    const { columns } = this.#table;
    const code = codeOf(note);
    const repeat = columns.note[machine.slot] === code;
    columns.note[machine.slot] = code;
    this.#record(machine, note, repeat, null);
  }

  /** What a machine keeps, oldest first, up to a number of the log. */
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
   * The machines that there were at a number of the log. Machines may be seen,
   * added and forgotten while somebody goes through them.
   */
  *at(sequence: number): Generator<Machine> {
    for (const slot of this.#slotOf.values()) {
      // A map goes by the time of birth: the others are younger still.
      if (this.#table.columns.birth[slot]! > sequence) return;
      yield new Machine(this.#table, slot);
    }
  }

  #record(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: TransferDetail | null,
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

  /** The slot of one more machine, for which another may have to go. */
  #allocateSlot(): number {
    if (this.#slots.isFull) this.#evictOldest();
    const slot = this.#slots.allocate();
    const { columns } = this.#table;
    if (slot >= columns.mac.length) growColumns(columns, this.#slots.capacity);
    return slot;
  }

  /** Forgets the machine that was seen least recently. */
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
