/**
 * The machines of one daemon, as its event stream reported them: enough to tell
 * which events of a later state are new, and how long each stage lasted.
 *
 * @module
 */

import { FIRST_STAGE } from "../../assets/shared/boot_stages.js";
import { BootTracker } from "../../assets/shared/boots.js";
import { type KeptMachine, type MachineEvent, transferOf } from "./message.ts";

/** A machine after its last reported event. */
export interface Timeline {
  readonly mac: string;
  readonly address: string;
  /** The last event that is a stage; `undefined` before the first. */
  readonly stage: MachineEvent | undefined;
  /** When that stage began, in ms since 1970 by the daemon's clock. */
  readonly since: number;
  /** The last note since then. */
  readonly note: string | undefined;
  /** The detail of that note. */
  readonly noteDetail: unknown;
  /** Since when it is away and how, by the daemon's last state; in ms since 1970. */
  readonly absence?:
    | { readonly state: string; readonly lastHeard: number }
    | undefined;
}

/** An event together with what it changes. */
export interface TimelineEvent {
  readonly mac: string;
  readonly address: string;
  readonly event: MachineEvent;
  /** When, in ms since 1970 by the daemon's clock. */
  readonly at: number;
  /** Milliseconds since its stage began. */
  readonly elapsed: number;
  /** Whether another boot begins with it. */
  readonly begins: boolean;
  /** Whether its daemon did not see the steps before it. */
  readonly skipped: boolean;
  /** The stage that ended with it, and how many ms that lasted. */
  readonly previous:
    | { readonly stage: string; readonly took: number }
    | undefined;
}

/** A machine of a daemon's state, with those of its events that are new. */
export interface MachineUpdate {
  readonly timeline: Timeline;
  /** The oldest first. */
  readonly events: readonly TimelineEvent[];
}

class Entry implements Timeline {
  address = "";
  stage: MachineEvent | undefined = undefined;
  /** The key of the last event that the daemon keeps. */
  lastKept = "";
  absence: { readonly state: string; readonly lastHeard: number } | undefined;
  readonly #tracker = new BootTracker();
  constructor(readonly mac: string) {}

  get since(): number {
    return this.#tracker.since;
  }

  get note(): string | undefined {
    return this.#tracker.note;
  }

  get noteDetail(): unknown {
    return this.#tracker.noteDetail;
  }

  add(event: MachineEvent): TimelineEvent {
    const at = Date.parse(event.timestamp);
    this.absence = undefined;
    if (!event.repeat_event) this.lastKept = keyOf(event);
    const { kind, begins, skipped, previous } = this.#tracker.add(event);
    if (kind === "stage" || kind === "repeat") this.stage = event;
    // A restarted daemon did not see the stage before the first. A clock that was
    // set back makes durations negative.
    const isMeasured = event.event !== FIRST_STAGE &&
      previous !== undefined && previous.took >= 0;
    return {
      mac: this.mac,
      address: this.address,
      event,
      at,
      elapsed: at - this.since,
      begins,
      skipped,
      previous: isMeasured ? previous : undefined,
    };
  }

  /** Adds those of the daemon's kept events that are new. */
  merge(events: readonly MachineEvent[]): TimelineEvent[] {
    const known = events.findLastIndex((event) =>
      keyOf(event) === this.lastKept
    );
    const added: TimelineEvent[] = [];
    const last = events[known];
    // The progress of a transfer changes an event that is kept already.
    if (
      last !== undefined && last.event === this.stage?.event &&
      progressKeyOf(last) !== progressKeyOf(this.stage)
    ) {
      added.push(this.add({ ...last, repeat_event: true }));
    }
    for (const event of events.slice(known + 1)) added.push(this.add(event));
    const newest = events.at(-1);
    if (newest !== undefined) this.lastKept = keyOf(newest);
    return added;
  }
}

/** Distinguishes an event from all others of its machine. */
function keyOf({ event, timestamp }: MachineEvent): string {
  return `${timestamp} ${event}`;
}

function progressKeyOf(event: MachineEvent): string {
  const transfer = transferOf(event);
  return transfer === undefined
    ? ""
    : `${transfer.state} ${transfer.sent_bytes} ${transfer.file_name}`;
}

/** The machines of one daemon, up to a limit. */
export class Timelines {
  #entries = new Map<string, Entry>();
  readonly #limit: number;

  /** @param limit Machines that are remembered; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many machines are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Replaces all machines by the state of the daemon. Returns the machines that
   * have new events, the one with the newest event last.
   */
  replace(machines: readonly KeptMachine[]): MachineUpdate[] {
    const before = this.#entries;
    this.#entries = new Map();
    const updates = machines.map(({ mac, address, events, ...age }) => {
      const timeline = before.get(mac) ?? new Entry(mac);
      timeline.address = address;
      const added = timeline.merge(events);
      const { state, lastHeard } = age;
      timeline.absence =
        state === undefined || state === "online" || lastHeard === undefined
          ? undefined
          : { state, lastHeard };
      return {
        timeline,
        events: added,
        newest: events.at(-1)?.timestamp ?? "",
      };
    }).sort((a, b) => a.newest < b.newest ? -1 : a.newest > b.newest ? 1 : 0);
    for (const { timeline } of updates.slice(-this.#limit)) {
      this.#entries.set(timeline.mac, timeline);
    }
    return updates.filter(({ events }) => events.length > 0);
  }

  /** Adds one event. The least recently reported machine is evicted. */
  add(mac: string, address: string, event: MachineEvent): TimelineEvent {
    const entry = this.#entries.get(mac) ?? new Entry(mac);
    entry.address = address;
    // Moves it to the end of the map, whose first entry is evicted.
    this.#entries.delete(mac);
    this.#entries.set(mac, entry);
    if (this.#entries.size > this.#limit) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    return entry.add(event);
  }
}
