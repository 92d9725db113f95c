/**
 * What is known of the machines of one daemon: enough to tell what is new in
 * the next message, and how long each stage took.
 *
 * @module
 */

import { FIRST_STAGE } from "../../assets/shared/boot_stages.js";
import { BootTracker } from "../../assets/shared/boots.js";
import { type KeptMachine, type MachineEvent, transferOf } from "./message.ts";

/** A machine as its daemon told of it last. */
export interface Timeline {
  readonly mac: string;
  readonly address: string;
  /** Its last event that is a stage; `undefined` before the first. */
  readonly stage: MachineEvent | undefined;
  /** When that stage began, in milliseconds since 1970 by the daemon's clock. */
  readonly since: number;
  /** A note that came since then. */
  readonly note: string | undefined;
}

/** An event, seen beside what was before it. */
export interface Happening {
  readonly mac: string;
  readonly address: string;
  readonly event: MachineEvent;
  /** When, in milliseconds since 1970 by the daemon's clock. */
  readonly at: number;
  /** Milliseconds since its stage began. */
  readonly elapsed: number;
  /** Whether another boot begins with it. */
  readonly begins: boolean;
  /** Whether its daemon did not see the steps before it. */
  readonly skipped: boolean;
  /** The stage that ended with it, and how many milliseconds that took. */
  readonly previous:
    | { readonly stage: string; readonly took: number }
    | undefined;
}

/** What the state of a daemon has of one machine. */
export interface News {
  readonly timeline: Timeline;
  /** What was not known of it, the oldest first. */
  readonly happenings: readonly Happening[];
}

class Entry implements Timeline {
  address = "";
  stage: MachineEvent | undefined = undefined;
  /** Names the last event that its daemon keeps. */
  lastKept = "";
  readonly #tracker = new BootTracker();
  constructor(readonly mac: string) {}

  get since(): number {
    return this.#tracker.since;
  }

  get note(): string | undefined {
    return this.#tracker.note;
  }

  take(event: MachineEvent): Happening {
    const at = Date.parse(event.timestamp);
    if (!event.repeat_event) this.lastKept = nameOf(event);
    const { kind, begins, skipped, previous } = this.#tracker.add(event);
    if (kind === "stage" || kind === "repeat") this.stage = event;
    // A restarted daemon has not seen the stage before the first. A clock that
    // was set back makes durations negative.
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

  /** Takes what a daemon keeps of it; gives what was not known. */
  merge(events: readonly MachineEvent[]): Happening[] {
    const known = events.findLastIndex((event) =>
      nameOf(event) === this.lastKept
    );
    const happenings: Happening[] = [];
    const last = events[known];
    // A transfer's progress changes an event that is kept already.
    if (
      last !== undefined && last.event === this.stage?.event &&
      progressOf(last) !== progressOf(this.stage)
    ) {
      happenings.push(this.take({ ...last, repeat_event: true }));
    }
    for (const event of events.slice(known + 1)) {
      happenings.push(this.take(event));
    }
    const newest = events.at(-1);
    if (newest !== undefined) this.lastKept = nameOf(newest);
    return happenings;
  }
}

/** What tells an event from all others of its machine. */
function nameOf({ event, timestamp }: MachineEvent): string {
  return `${timestamp} ${event}`;
}

function progressOf(event: MachineEvent): string {
  const transfer = transferOf(event);
  return transfer === undefined
    ? ""
    : `${transfer.state} ${transfer.sent_bytes} ${transfer.file_name}`;
}

/** The machines of one daemon, up to a bound. */
export class Timelines {
  #entries = new Map<string, Entry>();
  readonly #limit: number;

  /** @param limit How many machines are kept; at least 1. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many machines are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Takes the state of the daemon in place of all that was known. Gives the
   * machines of which something is new, the one with the newest event last.
   */
  replace(machines: readonly KeptMachine[]): News[] {
    const before = this.#entries;
    this.#entries = new Map();
    const news = machines.map(({ mac, address, events }) => {
      const timeline = before.get(mac) ?? new Entry(mac);
      timeline.address = address;
      return {
        timeline,
        happenings: timeline.merge(events),
        newest: events.at(-1)?.timestamp ?? "",
      };
    }).sort((a, b) => a.newest < b.newest ? -1 : a.newest > b.newest ? 1 : 0);
    for (const { timeline } of news.slice(-this.#limit)) {
      this.#entries.set(timeline.mac, timeline);
    }
    return news.filter(({ happenings }) => happenings.length > 0);
  }

  /** Takes one event. */
  take(mac: string, address: string, event: MachineEvent): Happening {
    const entry = this.#entries.get(mac) ?? new Entry(mac);
    entry.address = address;
    // The one that was heard of last stands last, so the first is let go.
    this.#entries.delete(mac);
    this.#entries.set(mac, entry);
    if (this.#entries.size > this.#limit) {
      this.#entries.delete(this.#entries.keys().next().value!);
    }
    return entry.take(event);
  }
}
