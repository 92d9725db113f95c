/**
 * Sends machine events to all readers, as server-sent events (HTML Living
 * Standard §9.2): first a snapshot of all machines, with a line for each, then
 * each event.
 *
 * Events are written once, in batches that all readers share. Each reader gets
 * the next batch when its socket has accepted the one before. No reader has a
 * queue of its own, so that a slow reader costs no memory.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
} from "../overload/limits.ts";
import type { Mac } from "../net/mac.ts";
import { delay } from "../overload/timeout.ts";
import { ClientQuota, type QuotaOptions } from "../overload/quota.ts";
import {
  type CooperativeScheduler,
  SLICE,
  takeSlice,
  yieldToEventLoop,
} from "../overload/scheduler.ts";
import type { EventHistory } from "../machines/event_history.ts";
import { linesOf, type MachineWriter } from "../machines/json.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import type { BodySink, BodySource } from "./body_source.ts";
import { EventBatches } from "./event_batches.ts";
import { EventReader, EventReaders } from "./event_reader.ts";
import { TOO_SLOW } from "./send_window.ts";

/** A request for the event stream. */
export interface ReaderRequest {
  /** The client's address. */
  readonly client: string;
  /** The only machine whose events are requested; `undefined`: all. */
  readonly mac: Mac | undefined;
  /**
   * The ID of the last event received. If it is known, the stream continues
   * there, without a snapshot.
   */
  readonly resumeAfter: string | undefined;
}

/** Milliseconds after which a client reconnects, sent as `retry`. */
const RETRY_DELAY = 3000;

/** Milliseconds for which events are gathered into one batch. */
const BATCH_DELAY = 10;

/** Milliseconds between two heartbeats. */
const HEARTBEAT_INTERVAL = 15_000;

/**
 * Readers that are given a batch before the event loop continues; each costs
 * about 50 µs until the kernel has its bytes.
 */
const READERS_PER_YIELD = 16;

/**
 * Characters of a batch. A shorter batch can exceed it by one event; a larger
 * one would cost much memory in the runtime for each of 1,000 readers.
 */
const MAX_BATCH = 32 * 1024;

/** Events written between two checks of the clock. */
const CLOCK_CHECK_INTERVAL = 64;

/** The event stream and its readers. */
export class EventStream {
  /** Readers dropped because they were too slow. */
  dropped = 0;
  /** Events sent, counted for each reader. */
  delivered = 0;
  /** Of readers. */
  readonly quota: ClientQuota;

  /** Distinguishes the event IDs of this run from those of all others. */
  readonly #run = encodeHex(crypto.getRandomValues(new Uint8Array(8)));
  readonly #registry: MachineRegistry;
  readonly #history: EventHistory;
  readonly #writer: MachineWriter;
  readonly #scheduler: CooperativeScheduler;
  readonly #encoder = new TextEncoder();
  readonly #readers = new EventReaders();
  readonly #batches: EventBatches;
  /** The number of the last event in a batch. */
  #position = 0;
  #isSending = false;
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  /**
   * @param scheduler Schedules what is written for one reader alone.
   * @param quotaOptions Limits of the number of readers.
   * @param maxRecentBytes Bytes of recent events that are kept as text.
   */
  constructor(
    registry: MachineRegistry,
    writer: MachineWriter,
    scheduler: CooperativeScheduler,
    quotaOptions: QuotaOptions = {
      total: MAX_EVENT_READERS,
      perClient: MAX_EVENT_READERS_PER_CLIENT,
    },
    maxRecentBytes?: number,
  ) {
    this.#batches = new EventBatches(maxRecentBytes);
    this.quota = new ClientQuota(quotaOptions);
    this.#registry = registry;
    this.#history = registry.history;
    this.#writer = writer;
    this.#scheduler = scheduler;
  }

  /** How many readers are connected. */
  get readers(): number {
    return this.#readers.size;
  }

  /** What event IDs of this run begin with; a dash and a number follow. */
  get run(): string {
    return this.#run;
  }

  /** The body for a new reader; `undefined` if there are too many. */
  open(request: ReaderRequest): BodySource | undefined {
    const unit = this.quota.acquire(request.client);
    if (unit === undefined) return undefined;
    // Without readers no batches were written since the last event.
    if (this.#readers.size === 0 && !this.#isSending) this.#reset();
    const resumed = this.#positionAfter(request.resumeAfter);
    const reader = new EventReader(
      request.mac,
      resumed ?? this.#position,
      unit,
    );
    reader.snapshot = this.#snapshot(reader, resumed === undefined);
    this.#add(reader);
    return {
      pull: (sink) => this.#pull(reader, sink),
      cancel: (reason) => {
        if (reason === TOO_SLOW) this.dropped++;
        this.#remove(reader);
      },
      isIdle: () =>
        reader.snapshot === undefined && reader.position === this.#position,
    };
  }

  /** Sends the events added to the history since the last call. */
  notify(): void {
    if (this.#isSending || this.#readers.size === 0) return;
    this.#isSending = true;
    void this.#send();
  }

  /** Ends the stream of every reader. */
  stop(): void {
    for (const reader of this.#readers) {
      this.#remove(reader);
      reader.sink?.close();
    }
  }

  #reset(): void {
    this.#batches.clear();
    this.#position = this.#history.next - 1;
  }

  /** The number in an event ID, if all events after it are still known. */
  #positionAfter(id: string | undefined): number | undefined {
    const prefix = `${this.#run}-`;
    if (!id?.startsWith(prefix)) return undefined;
    const digits = id.slice(prefix.length);
    if (!/^[0-9]{1,15}$/.test(digits)) return undefined;
    const position = Number(digits);
    return position >= this.#history.first - 1 && position <= this.#position
      ? position
      : undefined;
  }

  /** What a stream begins with. */
  *#snapshot(
    { mac, position }: EventReader,
    withMachines: boolean,
  ): Generator<string> {
    yield `retry: ${RETRY_DELAY}\n\n`;
    if (!withMachines) return;
    yield `id: ${this.#run}-${position}\n`;
    // A client joins the lines of an event by line feeds, which are white space
    // in JSON.
    for (const line of this.#stateLines(mac, position)) {
      yield `data: ${line}\n`;
    }
    yield "\n";
  }

  #stateLines(mac: Mac | undefined, position: number): Iterable<string> {
    if (mac === undefined) return this.#writer.machineLines(position);
    const machine = this.#registry.get(mac);
    return machine === undefined
      ? ["null"]
      : linesOf(this.#writer.machine(machine, position));
  }

  /** Gives a reader the next data, or lets it wait for events. */
  #pull(reader: EventReader, sink: BodySink): Promise<void> | void {
    if (reader.isClosed) return sink.close();
    reader.sink = sink;
    reader.isAlive = true;
    if (reader.snapshot === undefined && this.#sendNext(reader)) return;
    return this.#catchUp(reader);
  }

  /**
   * Gives a reader the next batch, or lets it wait for one.
   *
   * @returns `false` if what it needs has to be written for it alone.
   */
  #sendNext(reader: EventReader): boolean {
    if (reader.isClosed) return true;
    if (reader.position === this.#position) {
      reader.hasCaughtUp = reader.isWaiting = true;
      return true;
    }
    if (reader.mac !== undefined) return false;
    const batch = this.#batches.after(reader.position);
    if (batch === undefined) {
      if (reader.hasCaughtUp) this.#drop(reader);
      return reader.isClosed;
    }
    // It resumes in the middle of this batch: the rest is written for it alone.
    if (batch.first !== reader.position + 1) return false;
    reader.position = batch.last;
    this.delivered += batch.last - batch.first + 1;
    reader.sink!.enqueue(batch.bytes);
    return true;
  }

  /** Gives a reader what is written for it alone, a slice at a time. */
  async #catchUp(reader: EventReader): Promise<void> {
    while (!reader.isClosed) {
      const text = await this.#scheduler.run(() => this.#textFor(reader));
      if (reader.isClosed) return;
      if (text !== "") {
        return reader.sink!.enqueue(this.#encoder.encode(text));
      }
      if (this.#sendNext(reader)) return;
    }
  }

  /** A slice of the snapshot, or of the events before the next whole batch. */
  #textFor(reader: EventReader): string {
    if (reader.isClosed) return "";
    if (reader.snapshot !== undefined) {
      const { text, isLast } = takeSlice(reader.snapshot);
      if (isLast) reader.snapshot = undefined;
      return text;
    }
    if (reader.position < this.#history.first - 1) {
      this.#drop(reader);
      return "";
    }
    return this.#eventsFor(reader, this.#lastFor(reader));
  }

  /** The last event that is written for one reader alone. */
  #lastFor({ mac, position }: EventReader): number {
    const { first } = this.#batches;
    if (mac !== undefined || first === undefined) return this.#position;
    return position + 1 < first
      ? first - 1
      : this.#batches.after(position)!.last;
  }

  /** A slice of the events for one reader, up to a number. */
  #eventsFor(reader: EventReader, last: number): string {
    const end = performance.now() + SLICE;
    let text = "";
    while (reader.position < last) {
      const number = ++reader.position;
      if (
        reader.mac === undefined || this.#history.macAt(number) === reader.mac
      ) {
        text += this.#eventText(number);
        this.delivered++;
      }
      if (number % CLOCK_CHECK_INTERVAL === 0 && performance.now() > end) break;
    }
    return text;
  }

  #eventText(number: number): string {
    return `id: ${this.#run}-${number}\ndata: ${
      JSON.stringify(this.#writer.event(this.#history.at(number)))
    }\n\n`;
  }

  /** Sends batches until all events are sent. */
  async #send(): Promise<void> {
    while (this.#position < this.#history.next - 1 && this.#readers.size > 0) {
      await delay(BATCH_DELAY);
      if (this.#position < this.#history.first - 1) this.#dropLaggingReaders();
      while (this.#position < this.#history.next - 1) {
        const macs = this.#writeBatch();
        await this.#wakeReaders(macs);
      }
    }
    this.#isSending = false;
  }

  /**
   * Drops the readers whose next events the history has evicted before they
   * were sent.
   */
  #dropLaggingReaders(): void {
    for (const reader of this.#readers) {
      if (reader.hasCaughtUp) this.#drop(reader);
    }
    this.#reset();
  }

  /**
   * Writes one slice of events into a batch.
   *
   * @returns The MACs of these events that have readers of their own.
   */
  #writeBatch(): Set<Mac> {
    const end = performance.now() + SLICE;
    const last = this.#history.next - 1;
    const first = this.#position + 1;
    const macs = new Set<Mac>();
    let text = "";
    while (this.#position < last) {
      const number = ++this.#position;
      text += this.#eventText(number);
      if (this.#readers.hasFilters) {
        const mac = this.#history.macAt(number);
        if (this.#readers.hasFilterFor(mac)) macs.add(mac);
      }
      if (text.length >= MAX_BATCH) break;
      if (number % CLOCK_CHECK_INTERVAL === 0 && performance.now() > end) break;
    }
    const bytes = this.#encoder.encode(text);
    const hasEvicted = this.#batches.add({
      first,
      last: this.#position,
      bytes,
    });
    if (hasEvicted) this.#dropReadersBefore(this.#batches.first!);
    return macs;
  }

  /** Drops the readers whose next batch was evicted. */
  #dropReadersBefore(first: number): void {
    for (const reader of this.#readers) {
      if (
        reader.hasCaughtUp && !reader.isWaiting &&
        reader.position < first - 1 && reader.mac === undefined
      ) this.#drop(reader);
    }
  }

  /** Gives the new batch to the waiting readers, some at a time. */
  async #wakeReaders(macs: Set<Mac>): Promise<void> {
    let count = 0;
    for (const reader of this.#readers) {
      if (!reader.isWaiting) continue;
      if (reader.mac === undefined) {
        reader.isWaiting = false;
        this.#sendNext(reader);
      } else if (!macs.has(reader.mac)) {
        reader.position = this.#position;
      } else {
        reader.isWaiting = false;
        void this.#catchUp(reader);
      }
      if (++count % READERS_PER_YIELD === 0) await yieldToEventLoop();
    }
  }

  /**
   * Sends a comment to the waiting readers, and drops those whose socket has
   * accepted nothing since the last heartbeat.
   */
  #sendHeartbeat(): void {
    const comment = this.#encoder.encode(":\n\n");
    for (const reader of this.#readers) {
      if (reader.isWaiting) {
        reader.isWaiting = false;
        reader.sink!.enqueue(comment);
      } else if (!reader.isAlive) this.#drop(reader);
      reader.isAlive = false;
    }
  }

  #add(reader: EventReader): void {
    this.#readers.add(reader);
    this.#heartbeat ??= setInterval(
      () => this.#sendHeartbeat(),
      HEARTBEAT_INTERVAL,
    );
  }

  #drop(reader: EventReader): void {
    this.#remove(reader);
    this.dropped++;
    reader.sink?.error(new Error("too slow"));
  }

  #remove(reader: EventReader): void {
    if (reader.isClosed) return;
    reader.isClosed = true;
    reader.isWaiting = false;
    reader.snapshot = undefined;
    reader.unit[Symbol.dispose]();
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}
