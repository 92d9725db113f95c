/**
 * What `watch` shows of daemons: lines for people, or JSON for programs.
 *
 * @module
 */

import { MAX_STATE_LINES } from "../overload/limits.ts";
import { Deduplicator } from "./deduplicate.ts";
import { refusalOf, transferOf } from "./message.ts";
import type { Output } from "./output.ts";
import {
  colored,
  Columns,
  eventText,
  type LineOptions,
  lineText,
  plain,
  timelineText,
} from "./text.ts";
import type { MachineUpdate, TimelineEvent } from "./timelines.ts";

/** The daemon that lines are about. */
export interface Source {
  /** Short and unique. */
  readonly label: string;
  readonly url: string;
  /** Its clock minus this host's, in milliseconds. */
  readonly clockOffset: number;
  /** The name that the operator gave to a machine. */
  nameOf(mac: string): string | undefined;
}

/** Shows what daemons report. The next call may follow when one is settled. */
export interface View {
  /** The state of a daemon at the first connection. */
  showState(source: Source, updates: readonly MachineUpdate[]): Promise<void>;
  /** Events from while a daemon was unreachable. */
  showMissed(source: Source, updates: readonly MachineUpdate[]): Promise<void>;
  /** An event as it happens. */
  showEvent(source: Source, event: TimelineEvent): Promise<void>;
  /** Writes the lines that are held back. */
  flush(): Promise<void>;
}

/** The events of all machines, by time. */
function inOrder(updates: readonly MachineUpdate[]): TimelineEvent[] {
  return updates.flatMap(({ events }) => events).sort((a, b) =>
    a.event.timestamp < b.event.timestamp
      ? -1
      : a.event.timestamp > b.event.timestamp
      ? 1
      : 0
  );
}

/** One line of JSON for each event. */
export class JsonView implements View {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  showState(source: Source, updates: readonly MachineUpdate[]): Promise<void> {
    return this.showMissed(source, updates);
  }

  showMissed(source: Source, updates: readonly MachineUpdate[]): Promise<void> {
    function* lines() {
      for (const event of inOrder(updates)) {
        yield jsonLine(source, event, { kept: true });
      }
    }
    return this.#output.write(lines());
  }

  showEvent(source: Source, event: TimelineEvent): Promise<void> {
    return this.#output.write([jsonLine(source, event, {})]);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }
}

function jsonLine(
  { url }: Source,
  { mac, address, event }: TimelineEvent,
  more: { kept?: true },
): string {
  return JSON.stringify({
    daemon: url,
    mac,
    ipv6_address: address,
    event,
    ...more,
  });
}

/** How lines for people look. */
export interface TextViewOptions {
  /** A terminal gets the latest machines of a state only. */
  readonly isTerminal: boolean;
  readonly isColored: boolean;
  /** Whether each line names its daemon. */
  readonly isLabeled: boolean;
}

/** One line for each event, and for each machine of a first state. */
export class TextView implements View {
  readonly #output: Output;
  readonly #deduplicator: Deduplicator;
  readonly #options: LineOptions;
  readonly #isTerminal: boolean;

  constructor(
    output: Output,
    { isTerminal, isColored, isLabeled }: TextViewOptions,
  ) {
    this.#output = output;
    this.#deduplicator = new Deduplicator((lines) => output.write(lines));
    this.#isTerminal = isTerminal;
    this.#options = {
      paint: isColored ? colored : plain,
      columns: new Columns(),
      isLabeled,
    };
  }

  async showState(
    source: Source,
    updates: readonly MachineUpdate[],
  ): Promise<void> {
    const latest = this.#isTerminal ? updates.slice(-MAX_STATE_LINES) : updates;
    const omitted = updates.length - latest.length;
    const { paint, columns } = this.#options;
    for (const { timeline: { mac, address } } of latest) {
      columns.expect(source.nameOf(mac), address);
    }
    const render = (update: MachineUpdate) => this.#stateLine(source, update);
    function* lines() {
      if (omitted > 0) {
        yield paint(
          "faint",
          `${omitted} machines with older events omitted; redirect stdout to a file or a pipe to get all`,
        );
      }
      for (const update of latest) yield render(update);
    }
    await this.flush();
    await this.#output.write(lines());
  }

  async showMissed(
    source: Source,
    updates: readonly MachineUpdate[],
  ): Promise<void> {
    const render = (event: TimelineEvent) =>
      this.#eventLine(source, event, [source.label]);
    function* lines() {
      for (const event of inOrder(updates)) {
        const text = render(event);
        if (text !== undefined) yield text;
      }
    }
    await this.flush();
    await this.#output.write(lines());
  }

  async showEvent(source: Source, event: TimelineEvent): Promise<void> {
    const text = this.#eventLine(source, event, [source.label]);
    if (text === undefined) return;
    if (!this.#options.isLabeled) return await this.#output.write([text]);
    const { mac, event: { event: name, repeat_event } } = event;
    // Only one daemon sends a file: its progress has no duplicate.
    const refusal = refusalOf(event.event.detail);
    const own = refusal !== undefined
      ? `${refusal.path} ${refusal.reason}`
      : transferOf(event.event) === undefined
      ? ""
      : source.label;
    await this.#deduplicator.add(
      `${mac} ${name} ${repeat_event} ${own}`,
      source.label,
      (labels) => this.#eventLine(source, event, labels)!,
    );
  }

  flush(): Promise<void> {
    return this.#deduplicator.flush();
  }

  #stateLine(source: Source, { timeline }: MachineUpdate): string {
    const { mac, address, since } = timeline;
    const now = Date.now() + source.clockOffset;
    const labels = [source.label];
    return lineText(
      { at: since, labels, mac, name: source.nameOf(mac), address },
      timelineText(timeline, now, this.#options.paint),
      now,
      this.#options,
    );
  }

  #eventLine(
    source: Source,
    event: TimelineEvent,
    labels: readonly string[],
  ): string | undefined {
    const text = eventText(event, this.#options.paint);
    if (text === undefined) return undefined;
    const { at, mac, address } = event;
    return lineText(
      { at, labels, mac, name: source.nameOf(mac), address },
      text,
      Date.now() + source.clockOffset,
      this.#options,
    );
  }
}
