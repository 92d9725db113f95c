/**
 * The machines that were seen and what happened to them, least recently seen
 * out first.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { grown, nextCapacity, NONE } from "./columns.ts";
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
import type { TransferDetail } from "./transfer_progress.ts";

/** A note's place while none was told. */
const NO_NOTE = EVENTS.length;

/** What is known of machines, one place for each. */
class MachineTable {
  macs = new Float64Array(0);
  /** The number of the first event. */
  births = new Float64Array(0);
  noteTimes = new Float64Array(0);
  subnetIndexes = new Uint16Array(0);
  readonly macSources: (string | undefined)[] = [];
  twoMacsReported = new Uint8Array(0);
  /** Codes. */
  stages = new Uint8Array(0);
  /** The code of the note that was told last in this stage. */
  notes = new Uint8Array(0);
  /** Neighbours in the order in which they were seen. */
  newer = new Int32Array(0);
  older = new Int32Array(0);

  /** How many there is room for. */
  get length(): number {
    return this.macs.length;
  }

  growTo(length: number): void {
    this.macs = grown(this.macs, new Float64Array(length));
    this.births = grown(this.births, new Float64Array(length));
    this.noteTimes = grown(this.noteTimes, new Float64Array(length));
    this.subnetIndexes = grown(this.subnetIndexes, new Uint16Array(length));
    this.twoMacsReported = grown(this.twoMacsReported, new Uint8Array(length));
    this.stages = grown(this.stages, new Uint8Array(length));
    this.notes = grown(this.notes, new Uint8Array(length));
    this.newer = grown(this.newer, new Int32Array(length));
    this.older = grown(this.older, new Int32Array(length));
  }
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
    return this.#table.macs[this.slot]!;
  }

  /** Where its MAC was found, if DHCPv6 found it. */
  get macSource(): string | undefined {
    return this.#table.macSources[this.slot];
  }

  /** The stage of its boot. */
  get stage(): Stage {
    return EVENTS[this.#table.stages[this.slot]!] as Stage;
  }

  /** The base address that its own begins with, by its index. */
  get subnetIndex(): number {
    return this.#table.subnetIndexes[this.slot]!;
  }

  set subnetIndex(subnetIndex: number) {
    this.#table.subnetIndexes[this.slot] = subnetIndex;
  }

  /** Whether the operator was told that its messages name two MACs. */
  get twoMacsReported(): boolean {
    return this.#table.twoMacsReported[this.slot] === 1;
  }

  set twoMacsReported(told: boolean) {
    this.#table.twoMacsReported[this.slot] = told ? 1 : 0;
  }

  /** When the operator was last told a note of it, in milliseconds. */
  get notedAt(): number {
    return this.#table.noteTimes[this.slot]!;
  }

  set notedAt(time: number) {
    this.#table.noteTimes[this.slot] = time;
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

  /** Where each machine is in the columns. */
  readonly #slots = new Map<Mac, number>();
  readonly #table = new MachineTable();
  readonly #limit: number;
  readonly #bootHistory: BootHistory;
  readonly #observer: RegistryObserver;
  readonly #clock: { now(): Timestamp };
  #newest = NONE;
  #oldest = NONE;

  constructor(
    { machines, events }: RegistryOptions,
    observer: RegistryObserver,
    clock: { now(): Timestamp } = new EventClock(),
  ) {
    this.#limit = machines;
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
    const slot = this.#slots.get(mac);
    if (slot === undefined) return undefined;
    if (slot !== this.#newest) {
      this.#unlink(slot);
      this.#linkNewest(slot);
    }
    return new Machine(this.#table, slot);
  }

  /** The machine, if it is remembered, without its being seen. */
  get(mac: Mac): Machine | undefined {
    const slot = this.#slots.get(mac);
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
    const table = this.#table;
    const slot = this.#allocateSlot();
    table.macs[slot] = mac;
    table.births[slot] = this.history.next;
    table.noteTimes[slot] = -Infinity;
    table.subnetIndexes[slot] = subnetIndex;
    table.macSources[slot] = macSource;
    table.twoMacsReported[slot] = 0;
    table.stages[slot] = codeOf("init");
    table.notes[slot] = NO_NOTE;
    this.#slots.set(mac, slot);
    this.#linkNewest(slot);
    this.stageCounts[codeOf("init")]!++;
    const machine = new Machine(table, slot);
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
      this.#table.stages[slot] = codeOf(stage);
      this.#table.notes[slot] = NO_NOTE;
    }
    this.#record(machine, stage, kind === "repeat", detail);
  }

  /** Something happened to a machine that changes no stage. */
  note(machine: Machine, note: Note): void {
    const { notes } = this.#table;
    const code = codeOf(note);
    const repeat = notes[machine.slot] === code;
    notes[machine.slot] = code;
    this.#record(machine, note, repeat, null);
  }

  /** What a machine keeps, oldest first, up to a number of the log. */
  eventsOf({ slot }: Machine, sequence?: number): Iterable<KeptEvent> {
    return this.#bootHistory.of(slot, sequence);
  }

  /** The machines, most recently seen first. */
  *[Symbol.iterator](): Generator<Machine> {
    const table = this.#table;
    for (
      let slot = this.#newest;
      slot !== NONE;
      slot = table.older[slot]!
    ) yield new Machine(table, slot);
  }

  /**
   * The machines that there were at a number of the log. Machines may be seen,
   * added and forgotten while somebody goes through them.
   */
  *at(sequence: number): Generator<Machine> {
    for (const slot of this.#slots.values()) {
      // A map goes by the time of birth: the others are younger still.
      if (this.#table.births[slot]! > sequence) return;
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

  /** A place for one more machine, for which another may have to go. */
  #allocateSlot(): number {
    const { size } = this.#slots;
    if (size >= this.#limit) return this.#evictOldest();
    if (size === this.#table.length) {
      this.#table.growTo(nextCapacity(size, this.#limit));
    }
    // Nothing else gives up a place: those that are taken are the first ones.
    return size;
  }

  /** Forgets the machine that was seen least recently; the place it had. */
  #evictOldest(): number {
    const slot = this.#oldest;
    this.#unlink(slot);
    this.#slots.delete(this.#table.macs[slot]!);
    this.stageCounts[this.#table.stages[slot]!]!--;
    this.#bootHistory.forget(slot);
    this.evicted++;
    return slot;
  }

  #unlink(slot: number): void {
    const { newer, older } = this.#table;
    const before = newer[slot]!;
    const after = older[slot]!;
    if (before === NONE) this.#newest = after;
    else older[before] = after;
    if (after === NONE) this.#oldest = before;
    else newer[after] = before;
  }

  #linkNewest(slot: number): void {
    const { newer, older } = this.#table;
    newer[slot] = NONE;
    older[slot] = this.#newest;
    if (this.#newest === NONE) this.#oldest = slot;
    else newer[this.#newest] = slot;
    this.#newest = slot;
  }
}
