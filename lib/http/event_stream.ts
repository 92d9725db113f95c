/**
 * The stream of events to everybody who reads it: first the state, then each
 * event, as server-sent events (HTML Living Standard §9.2).
 *
 * What happens is written once, in batches that all readers share; the last of
 * them are kept, and each reader takes the next one when its socket has taken
 * the one before. Nothing waits in a queue of its own, so that a slow reader
 * costs nothing but its place.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
  MAX_RECENT_EVENT_BYTES,
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
import type { MachineWriter } from "../machines/json.ts";
import type { MachineRegistry } from "../machines/registry.ts";

/** What a reader wants. */
export interface ReaderRequest {
  readonly client: string;
  /** The only machine that it wants to hear of. */
  readonly mac: Mac | undefined;
  /** The last event that it had, if it wants just what came after. */
  readonly resumeAfter: string | undefined;
}

/** Milliseconds after which a reader that lost its connection comes back. */
const RETRY_DELAY = 3000;

/** Milliseconds in which events are gathered before they are sent together. */
const BATCH_DELAY = 10;

/** Milliseconds between two signs of life. */
const HEARTBEAT_INTERVAL = 15_000;

/**
 * Readers that are given a batch between two looks at the sockets; each costs
 * some 50 microseconds until its octets are the kernel's.
 */
const READERS_PER_YIELD = 16;

/**
 * Characters of a batch: below it is larger than one event costs, and above,
 * what the runtime holds for each of a thousand readers gets to be much.
 */
const MAX_BATCH = 32 * 1024;

/** Events that are written between two looks at the clock. */
const CLOCK_CHECK_INTERVAL = 64;

/** Events as they are sent to whoever hears of all machines. */
interface Batch {
  /** The numbers of the first and the last event. */
  readonly first: number;
  readonly last: number;
  readonly bytes: Uint8Array;
}

/** One who reads. */
class Reader {
  controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** What comes before the events, while it is being sent. */
  snapshot: Iterator<string> | undefined;
  /** Whether it has once had all that had happened. */
  hasCaughtUp = false;
  /** Whether it has all, and its socket takes more. */
  isWaiting = false;
  isClosed = false;
  /** Whether its socket has taken something since the last sign of life. */
  isAlive = true;

  /**
   * @param position The number of the last event that it has.
   * @param unit Its part of the quota of readers.
   */
  constructor(
    readonly mac: Mac | undefined,
    public position: number,
    readonly unit: Disposable,
  ) {}
}

/** Sends what happens to its readers. */
export class EventStream {
  /** Readers that did not keep up, and were dropped. */
  dropped = 0;
  /** Events sent, once for each reader. */
  delivered = 0;
  /** Of those who read. */
  readonly quota: ClientQuota;

  /** No other run of a daemon has the same. */
  readonly #run = encodeHex(crypto.getRandomValues(new Uint8Array(8)));
  readonly #registry: MachineRegistry;
  readonly #history: EventHistory;
  readonly #writer: MachineWriter;
  readonly #scheduler: CooperativeScheduler;
  readonly #encoder = new TextEncoder();
  readonly #readers = new Set<Reader>();
  /** How many readers hear of each machine only. */
  readonly #readersOf = new Map<Mac, number>();
  /** The last batches, oldest first, and how long they are together. */
  readonly #recent: Batch[] = [];
  #recentBytes = 0;
  /** The number of the last event in a batch. */
  #position = 0;
  #isSending = false;
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  /**
   * @param scheduler In which readers catch up.
   * @param quotaOptions Of readers.
   */
  constructor(
    registry: MachineRegistry,
    writer: MachineWriter,
    scheduler: CooperativeScheduler,
    quotaOptions: QuotaOptions = {
      total: MAX_EVENT_READERS,
      perClient: MAX_EVENT_READERS_PER_CLIENT,
    },
  ) {
    this.quota = new ClientQuota(quotaOptions);
    this.#registry = registry;
    this.#history = registry.history;
    this.#writer = writer;
    this.#scheduler = scheduler;
  }

  /** How many read now. */
  get readers(): number {
    return this.#readers.size;
  }

  /** What ids of this run's events begin with: a dash and a number follow. */
  get run(): string {
    return this.#run;
  }

  /** What a new reader gets; `undefined` if there are too many already. */
  open(request: ReaderRequest): ReadableStream<Uint8Array> | undefined {
    const unit = this.quota.acquire(request.client);
    if (unit === undefined) return undefined;
    // Without readers nothing was sent: there is nothing to go on from.
    if (this.#readers.size === 0 && !this.#isSending) this.#reset();
    const missed = this.#positionAfter(request.resumeAfter);
    const reader = new Reader(request.mac, missed ?? this.#position, unit);
    reader.snapshot = this.#snapshot(reader, missed === undefined);
    this.#add(reader);
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader.controller = controller;
      },
      pull: () => this.#pull(reader),
      cancel: () => this.#remove(reader),
    }, { highWaterMark: 0 });
  }

  /** Something was added to the log. */
  notify(): void {
    if (this.#isSending || this.#readers.size === 0) return;
    this.#isSending = true;
    void this.#send();
  }

  /** Ends all streams. */
  stop(): void {
    for (const reader of this.#readers) {
      this.#remove(reader);
      reader.controller?.close();
    }
  }

  #reset(): void {
    this.#recent.length = 0;
    this.#recentBytes = 0;
    this.#position = this.#history.next - 1;
  }

  /** The log has forgotten what nobody was sent yet: it is small, or all are slow. */
  #dropLaggingReaders(): void {
    for (const reader of this.#readers) {
      if (reader.hasCaughtUp) this.#drop(reader);
    }
    this.#reset();
  }

  /** The number in an event's id, if what came after it is still remembered. */
  #positionAfter(id: string | undefined): number | undefined {
    const [run, digits] = id?.split("-") ?? [];
    if (run !== this.#run || !/^[0-9]{1,15}$/.test(digits ?? "")) {
      return undefined;
    }
    const position = Number(digits);
    return position >= this.#history.first - 1 && position <= this.#position
      ? position
      : undefined;
  }

  /** What a stream begins with. */
  *#snapshot(
    { mac, position }: Reader,
    withState: boolean,
  ): Generator<string> {
    yield `retry: ${RETRY_DELAY}\n\n`;
    if (!withState) return;
    yield `id: ${this.#run}-${position}\ndata: `;
    if (mac === undefined) yield* this.#writer.machines(position);
    else {
      const machine = this.#registry.get(mac);
      yield JSON.stringify(
        machine === undefined ? null : this.#writer.machine(machine, position),
      );
    }
    yield "\n\n";
  }

  /** Gives a reader the next piece of what it lacks, or lets it wait. */
  #pull(reader: Reader): Promise<void> | undefined {
    reader.isAlive = true;
    if (reader.snapshot === undefined && this.#sendNext(reader)) return;
    return this.#catchUp(reader);
  }

  /**
   * Gives a reader the next batch, or lets it wait for one. False if it lacks
   * what is in no batch any more.
   */
  #sendNext(reader: Reader): boolean {
    if (reader.isClosed) return true;
    if (reader.position === this.#position) {
      reader.hasCaughtUp = reader.isWaiting = true;
      return true;
    }
    if (reader.mac !== undefined) return false;
    const batch = this.#batchAfter(reader.position);
    if (batch === undefined) {
      if (reader.hasCaughtUp) this.#drop(reader);
      return reader.isClosed;
    }
    reader.position = batch.last;
    this.delivered += batch.last - batch.first + 1;
    reader.controller!.enqueue(batch.bytes);
    return true;
  }

  /** The batch that goes on from a position, if it is kept. */
  #batchAfter(position: number): Batch | undefined {
    let low = 0;
    let high = this.#recent.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#recent[middle]!.first <= position) low = middle + 1;
      else high = middle;
    }
    const batch = this.#recent[low];
    return batch?.first === position + 1 ? batch : undefined;
  }

  /** Gives a reader what is written for it alone, when it is its turn. */
  async #catchUp(reader: Reader): Promise<void> {
    while (!reader.isClosed) {
      const text = await this.#scheduler.run(() => this.#textFor(reader));
      if (reader.isClosed) return;
      if (text !== "") {
        return reader.controller!.enqueue(this.#encoder.encode(text));
      }
      if (this.#sendNext(reader)) return;
    }
  }

  /** A slice of the beginning, or of the events that are in no batch. */
  #textFor(reader: Reader): string {
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
    const last = reader.mac !== undefined || this.#recent.length === 0
      ? this.#position
      : this.#recent[0]!.first - 1;
    return this.#eventsFor(reader, last);
  }

  /** Writes events for one reader up to a number, while a slice lasts. */
  #eventsFor(reader: Reader, last: number): string {
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

  /** Sends what happens until nothing more does. */
  async #send(): Promise<void> {
    while (this.#position < this.#history.next - 1 && this.#readers.size > 0) {
      await delay(BATCH_DELAY);
      if (this.#position < this.#history.first - 1) this.#dropLaggingReaders();
      while (this.#position < this.#history.next - 1) {
        const concerned = this.#writeBatch();
        await this.#wake(concerned);
      }
    }
    this.#isSending = false;
  }

  /**
   * Writes as many events as a slice allows into a batch.
   *
   * @returns The MACs in it that somebody hears of alone.
   */
  #writeBatch(): Set<Mac> {
    const end = performance.now() + SLICE;
    const last = this.#history.next - 1;
    const first = this.#position + 1;
    const concerned = new Set<Mac>();
    let text = "";
    while (this.#position < last) {
      const number = ++this.#position;
      text += this.#eventText(number);
      if (this.#readersOf.size > 0) {
        const mac = this.#history.macAt(number);
        if (this.#readersOf.has(mac)) concerned.add(mac);
      }
      if (text.length >= MAX_BATCH) break;
      if (number % CLOCK_CHECK_INTERVAL === 0 && performance.now() > end) break;
    }
    const bytes = this.#encoder.encode(text);
    this.#recent.push({ first, last: this.#position, bytes });
    this.#recentBytes += bytes.length;
    if (this.#recentBytes > MAX_RECENT_EVENT_BYTES) this.#evictBatches();
    return concerned;
  }

  /** Forgets the oldest batches, and who has not come to them yet. */
  #evictBatches(): void {
    while (
      this.#recentBytes > MAX_RECENT_EVENT_BYTES && this.#recent.length > 1
    ) this.#recentBytes -= this.#recent.shift()!.bytes.length;
    const oldest = this.#recent[0]!.first - 1;
    for (const reader of this.#readers) {
      if (
        reader.hasCaughtUp && !reader.isWaiting && reader.position < oldest &&
        reader.mac === undefined
      ) this.#drop(reader);
    }
  }

  /** Gives the new batch to those who wait, in slices. */
  async #wake(concerned: Set<Mac>): Promise<void> {
    let count = 0;
    for (const reader of this.#readers) {
      if (!reader.isWaiting) continue;
      if (reader.mac === undefined) {
        reader.isWaiting = false;
        this.#sendNext(reader);
      } else if (!concerned.has(reader.mac)) {
        reader.position = this.#position;
      } else {
        reader.isWaiting = false;
        void this.#catchUp(reader);
      }
      if (++count % READERS_PER_YIELD === 0) await yieldToEventLoop();
    }
  }

  /** A sign of life to all who wait; who has not taken the last one is dropped. */
  #sendHeartbeat(): void {
    const comment = this.#encoder.encode(":\n\n");
    for (const reader of this.#readers) {
      if (reader.isWaiting) {
        reader.isWaiting = false;
        reader.controller!.enqueue(comment);
      } else if (!reader.isAlive) this.#drop(reader);
      reader.isAlive = false;
    }
  }

  #add(reader: Reader): void {
    const { mac } = reader;
    this.#readers.add(reader);
    if (mac !== undefined) {
      this.#readersOf.set(mac, (this.#readersOf.get(mac) ?? 0) + 1);
    }
    this.#heartbeat ??= setInterval(
      () => this.#sendHeartbeat(),
      HEARTBEAT_INTERVAL,
    );
  }

  #drop(reader: Reader): void {
    this.#remove(reader);
    this.dropped++;
    reader.controller!.error(new Error("too slow"));
  }

  #remove(reader: Reader): void {
    if (reader.isClosed) return;
    const { mac } = reader;
    reader.isClosed = true;
    reader.unit[Symbol.dispose]();
    reader.isWaiting = false;
    reader.snapshot = undefined;
    this.#readers.delete(reader);
    if (mac !== undefined) {
      const others = this.#readersOf.get(mac)! - 1;
      if (others > 0) this.#readersOf.set(mac, others);
      else this.#readersOf.delete(mac);
    }
    if (this.#readers.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }
}
