/**
 * The machines that were seen and what happened to them, least recently seen
 * out first.
 *
 * @module
 */

import type { Mac } from "../net/mac.ts";
import { EventLog } from "./event_log.ts";
import { EventOwner, type KeptEvent, KeptEvents } from "./kept_events.ts";
import {
  codeOf,
  type EventName,
  EVENTS,
  type Note,
  type Stage,
  transition,
} from "./timeline.ts";
import { EventClock, type Timestamp } from "./timestamp.ts";
import type { TransferDetail } from "./transfer_detail.ts";

/** A machine that was seen. */
export interface Machine {
  readonly mac: Mac;
  /** Whether the operator was told that its messages name two MACs. */
  toldOfTwoMacs: boolean;
  /** The base address that its own begins with, by its index. */
  link: number;
  /** Where its MAC was found, if DHCPv6 found it. */
  readonly macSource: string | undefined;
  /** When the operator was last told a note of it, in milliseconds. */
  notedAt: number;
  /** The stage of its boot. */
  readonly stage: Stage;
}

class Entry extends EventOwner implements Machine {
  toldOfTwoMacs = false;
  notedAt = -Infinity;
  stage: Stage = "init";
  /** The note that was told last in this stage. */
  note: Note | undefined = undefined;
  newer: Entry | undefined = undefined;
  older: Entry | undefined = undefined;
  constructor(
    readonly mac: Mac,
    public link: number,
    readonly macSource: string | undefined,
    /** The number of its first event. */
    readonly bornAt: number,
  ) {
    super();
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
 * Remembers machines up to a bound. Seeing one moves a few links of a list and
 * allocates nothing, for it happens with every packet.
 */
export class MachineRegistry {
  /** What happened to all of them, in order. */
  readonly log: EventLog;
  /** How many machines are in each stage, by the stage's code. */
  readonly stageCounts: Float64Array = new Float64Array(EVENTS.length);
  /** How many events there were since the start, by their code. */
  readonly eventCounts: Float64Array = new Float64Array(EVENTS.length);

  readonly #entries = new Map<Mac, Entry>();
  readonly #limit: number;
  readonly #kept: KeptEvents;
  readonly #observer: RegistryObserver;
  readonly #clock: { now(): Timestamp };
  #newest: Entry | undefined;
  #oldest: Entry | undefined;

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
    return this.#entries.size;
  }

  /** The machine, if it is remembered; it becomes the most recently seen. */
  see(mac: Mac): Machine | undefined {
    const entry = this.#entries.get(mac);
    if (entry === undefined || entry === this.#newest) return entry;
    this.#unlink(entry);
    this.#linkNewest(entry);
    return entry;
  }

  /** The machine, if it is remembered, without its being seen. */
  get(mac: Mac): Machine | undefined {
    return this.#entries.get(mac);
  }

  /**
   * Remembers a machine that {@linkcode see} did not know, and forgets the one
   * that was not seen for the longest time when there are too many.
   *
   * @param link The index of its base address.
   * @param macSource Where its MAC was found, if DHCPv6 found it.
   */
  add(mac: Mac, link: number, macSource?: string): Machine {
    if (this.#entries.size >= this.#limit && this.#oldest !== undefined) {
      this.#forget(this.#oldest);
    }
    const entry = new Entry(mac, link, macSource, this.log.next);
    this.#entries.set(mac, entry);
    this.#linkNewest(entry);
    this.stageCounts[codeOf("init")]!++;
    this.#tell(entry, "init", false, null);
    return entry;
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
    const entry = machine as Entry;
    const kind = transition(entry.stage, stage);
    if (kind === "repeat") {
      if (detail !== null) this.#kept.setDetail(entry, codeOf(stage), detail);
    } else {
      if (kind === "jump") this.#tell(entry, "jump_to", false, null);
      this.stageCounts[codeOf(entry.stage)]!--;
      this.stageCounts[codeOf(stage)]!++;
      entry.stage = stage;
      entry.note = undefined;
    }
    this.#tell(entry, stage, kind === "repeat", detail);
  }

  /** Something happened to a machine that changes no stage. */
  note(machine: Machine, note: Note): void {
    const entry = machine as Entry;
    const repeat = entry.note === note;
    entry.note = note;
    this.#tell(entry, note, repeat, null);
  }

  /** What a machine keeps, oldest first, up to a number of the log. */
  eventsOf(machine: Machine, sequence?: number): Iterable<KeptEvent> {
    return this.#kept.of(machine as Entry, sequence);
  }

  /** The machines, most recently seen first. */
  *[Symbol.iterator](): Generator<Machine> {
    for (let entry = this.#newest; entry !== undefined; entry = entry.older) {
      yield entry;
    }
  }

  /**
   * The machines that there were at a number of the log. Machines may be seen,
   * added and forgotten while somebody goes through them.
   */
  *at(sequence: number): Generator<Machine> {
    for (const entry of this.#entries.values()) {
      // A map goes by the time of birth: the others are younger still.
      if (entry.bornAt > sequence) return;
      yield entry;
    }
  }

  #tell(
    entry: Entry,
    event: EventName,
    repeat: boolean,
    detail: TransferDetail | null,
  ): void {
    const code = codeOf(event);
    const now = this.#clock.now();
    const { log } = this;
    if (!repeat) this.#kept.add(entry, code, now, log.next, detail);
    log.add(entry.mac, entry.link, code, now, repeat, detail);
    this.eventCounts[code]!++;
    this.#observer.happened(entry, event, repeat, detail);
  }

  #forget(entry: Entry): void {
    this.#unlink(entry);
    this.#entries.delete(entry.mac);
    this.stageCounts[codeOf(entry.stage)]!--;
    this.#kept.forget(entry);
  }

  #unlink(entry: Entry): void {
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
    if (entry.older === undefined) this.#oldest = entry.newer;
    else entry.older.newer = entry.newer;
    entry.newer = entry.older = undefined;
  }

  #linkNewest(entry: Entry): void {
    entry.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = entry;
    this.#newest = entry;
    this.#oldest ??= entry;
  }
}
