/**
 * The machines that were seen and what happened to them, least recently seen
 * out first.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { grown, morePlaces, NONE } from "./columns.ts";
import { EventLog } from "./event_history.ts";
import { type KeptEvent, KeptEvents } from "./boot_history.ts";
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
class Columns {
  macs = new Float64Array(0);
  /** The number of the first event. */
  births = new Float64Array(0);
  noteTimes = new Float64Array(0);
  subnetIndexes = new Uint16Array(0);
  readonly macSources: (string | undefined)[] = [];
  toldOfTwoMacs = new Uint8Array(0);
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
    this.toldOfTwoMacs = grown(this.toldOfTwoMacs, new Uint8Array(length));
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
  readonly #columns: Columns;

  /** @param place Where it is in the columns. */
  constructor(columns: Columns, readonly place: number) {
    this.#columns = columns;
  }

  get mac(): Mac {
    return this.#columns.macs[this.place]!;
  }

  /** Where its MAC was found, if DHCPv6 found it. */
  get macSource(): string | undefined {
    return this.#columns.macSources[this.place];
  }

  /** The stage of its boot. */
  get stage(): Stage {
    return EVENTS[this.#columns.stages[this.place]!] as Stage;
  }

  /** The base address that its own begins with, by its index. */
  get subnetIndex(): number {
    return this.#columns.subnetIndexes[this.place]!;
  }

  set subnetIndex(subnetIndex: number) {
    this.#columns.subnetIndexes[this.place] = subnetIndex;
  }

  /** Whether the operator was told that its messages name two MACs. */
  get toldOfTwoMacs(): boolean {
    return this.#columns.toldOfTwoMacs[this.place] === 1;
  }

  set toldOfTwoMacs(told: boolean) {
    this.#columns.toldOfTwoMacs[this.place] = told ? 1 : 0;
  }

  /** When the operator was last told a note of it, in milliseconds. */
  get notedAt(): number {
    return this.#columns.noteTimes[this.place]!;
  }

  set notedAt(time: number) {
    this.#columns.noteTimes[this.place] = time;
  }
}

/** What a registry is bound by. */
export interface RegistryLimits {
  /** Machines that are remembered; at least 1. */
  readonly machines: number;
  /** Events that are remembered, of all machines together; at least 1. */
  readonly events: number;
}

/** Whoever wants to know what happens. Nothing here may wait. */
export interface RegistryObserver {
  /** Something happened to a machine. */
  happened(
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
  readonly log: EventLog;
  /** How many machines are in each stage, by the stage's code. */
  readonly stageCounts: Float64Array = new Float64Array(EVENTS.length);
  /** Machines that had to go for others. */
  forgotten = 0;
  /** How many events there were since the start, by their code. */
  readonly eventCounts: Float64Array = new Float64Array(EVENTS.length);

  /** Where each machine is in the columns. */
  readonly #places = new Map<Mac, number>();
  readonly #columns = new Columns();
  readonly #limit: number;
  readonly #kept: KeptEvents;
  readonly #observer: RegistryObserver;
  readonly #clock: { now(): Timestamp };
  #newest = NONE;
  #oldest = NONE;

  constructor(
    { machines, events }: RegistryLimits,
    observer: RegistryObserver,
    clock: { now(): Timestamp } = new EventClock(),
  ) {
    this.#limit = machines;
    this.#kept = new KeptEvents(events);
    this.log = new EventLog(events);
    this.#observer = observer;
    this.#clock = clock;
  }

  /** How many machines are remembered. */
  get size(): number {
    return this.#places.size;
  }

  /** The machine, if it is remembered; it becomes the most recently seen. */
  see(mac: Mac): Machine | undefined {
    const place = this.#places.get(mac);
    if (place === undefined) return undefined;
    if (place !== this.#newest) {
      this.#unlink(place);
      this.#linkNewest(place);
    }
    return new Machine(this.#columns, place);
  }

  /** The machine, if it is remembered, without its being seen. */
  get(mac: Mac): Machine | undefined {
    const place = this.#places.get(mac);
    return place === undefined ? undefined : new Machine(this.#columns, place);
  }

  /**
   * Remembers a machine that {@linkcode see} did not know, and forgets the one
   * that was not seen for the longest time when there are too many.
   *
   * @param subnetIndex The index of its base address.
   * @param macSource Where its MAC was found, if DHCPv6 found it.
   */
  add(mac: Mac, subnetIndex: number, macSource?: string): Machine {
    const columns = this.#columns;
    const place = this.#takePlace();
    columns.macs[place] = mac;
    columns.births[place] = this.log.next;
    columns.noteTimes[place] = -Infinity;
    columns.subnetIndexes[place] = subnetIndex;
    columns.macSources[place] = macSource;
    columns.toldOfTwoMacs[place] = 0;
    columns.stages[place] = codeOf("init");
    columns.notes[place] = NO_NOTE;
    this.#places.set(mac, place);
    this.#linkNewest(place);
    this.stageCounts[codeOf("init")]!++;
    const machine = new Machine(columns, place);
    this.#tell(machine, "init", false, null);
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
    const { place, stage: before } = machine;
    const kind = transition(before, stage);
    if (kind === "repeat") {
      if (detail !== null) this.#kept.setDetail(place, codeOf(stage), detail);
    } else {
      if (kind === "jump") this.#tell(machine, "jump_to", false, null);
      this.stageCounts[codeOf(before)]!--;
      this.stageCounts[codeOf(stage)]!++;
      this.#columns.stages[place] = codeOf(stage);
      this.#columns.notes[place] = NO_NOTE;
    }
    this.#tell(machine, stage, kind === "repeat", detail);
  }

  /** Something happened to a machine that changes no stage. */
  note(machine: Machine, note: Note): void {
    const { notes } = this.#columns;
    const code = codeOf(note);
    const repeat = notes[machine.place] === code;
    notes[machine.place] = code;
    this.#tell(machine, note, repeat, null);
  }

  /** What a machine keeps, oldest first, up to a number of the log. */
  eventsOf({ place }: Machine, sequence?: number): Iterable<KeptEvent> {
    return this.#kept.of(place, sequence);
  }

  /** The machines, most recently seen first. */
  *[Symbol.iterator](): Generator<Machine> {
    const columns = this.#columns;
    for (
      let place = this.#newest;
      place !== NONE;
      place = columns.older[place]!
    ) yield new Machine(columns, place);
  }

  /**
   * The machines that there were at a number of the log. Machines may be seen,
   * added and forgotten while somebody goes through them.
   */
  *at(sequence: number): Generator<Machine> {
    for (const place of this.#places.values()) {
      // A map goes by the time of birth: the others are younger still.
      if (this.#columns.births[place]! > sequence) return;
      yield new Machine(this.#columns, place);
    }
  }

  #tell(
    machine: Machine,
    event: EventName,
    repeat: boolean,
    detail: TransferDetail | null,
  ): void {
    const { place, mac, subnetIndex } = machine;
    const code = codeOf(event);
    const now = this.#clock.now();
    const { log } = this;
    if (!repeat) this.#kept.add(place, code, now, log.next, detail);
    log.add(mac, subnetIndex, code, now, repeat, detail);
    this.eventCounts[code]!++;
    this.#observer.happened(machine, event, repeat, detail);
  }

  /** A place for one more machine, for which another may have to go. */
  #takePlace(): number {
    const { size } = this.#places;
    if (size >= this.#limit) return this.#forgetOldest();
    if (size === this.#columns.length) {
      this.#columns.growTo(morePlaces(size, this.#limit));
    }
    // Nothing else gives up a place: those that are taken are the first ones.
    return size;
  }

  /** Forgets the machine that was seen least recently; the place it had. */
  #forgetOldest(): number {
    const place = this.#oldest;
    this.#unlink(place);
    this.#places.delete(this.#columns.macs[place]!);
    this.stageCounts[this.#columns.stages[place]!]!--;
    this.#kept.forget(place);
    this.forgotten++;
    return place;
  }

  #unlink(place: number): void {
    const { newer, older } = this.#columns;
    const before = newer[place]!;
    const after = older[place]!;
    if (before === NONE) this.#newest = after;
    else older[before] = after;
    if (after === NONE) this.#oldest = before;
    else newer[after] = before;
  }

  #linkNewest(place: number): void {
    const { newer, older } = this.#columns;
    newer[place] = NONE;
    older[place] = this.#newest;
    if (this.#newest === NONE) this.#oldest = place;
    else newer[this.#newest] = place;
    this.#newest = place;
  }
}
