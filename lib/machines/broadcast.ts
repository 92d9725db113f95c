/**
 * The stream of events to everybody who reads it: first the state, then each
 * event, as server-sent events (HTML Living Standard §9.2).
 *
 * All readers that have caught up share the octets of a batch. Whoever comes
 * later or comes back goes through the log first, in slices, and joins them.
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { MAX_EVENT_BACKLOG, MAX_EVENT_READERS } from "../limits.ts";
import type { Mac } from "../net/mac.ts";
import { SLICE, sliceOf, Turns } from "../turns.ts";
import type { EventLog } from "./event_log.ts";
import type { MachineWriter } from "./json.ts";
import type { MachineRegistry } from "./registry.ts";

/** What a reader wants. */
export interface ReaderRequest {
  /** The only machine that it wants to hear of. */
  readonly mac: Mac | undefined;
  /** The last event that it had, if it wants just what came after. */
  readonly resumeAfter: string | undefined;
}

/** Milliseconds after which a reader that lost its connection comes back. */
const RETRY = 3000;

/** Milliseconds in which events are gathered before they are sent together. */
const GATHERING = 10;

/** Milliseconds between two signs of life. */
const HEARTBEAT = 15_000;

/** Octets that the runtime takes from a reader's queue ahead of its socket. */
const QUEUE = 64 * 1024;

/** Events that are written between two looks at the clock. */
const BATCH = 64;

/** One who reads. */
class Reader {
  controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** The state, while it is being sent. */
  state: Iterator<string> | undefined;
  isLive = false;
  isOver = false;
  /** Whether it has read since the last sign of life. */
  hasMoved = true;

  /** @param position The number of the last event that it has. */
  constructor(readonly mac: Mac | undefined, public position: number) {}

  get backlog(): number {
    return QUEUE - (this.controller?.desiredSize ?? QUEUE);
  }
}

/** Sends what happens to its readers. */
export class Broadcast {
  /** Readers that did not keep up, and were dropped. */
  dropped = 0;
  /** Events sent, once for each reader. */
  delivered = 0;

  /** No other run of a daemon has the same. */
  readonly #run = encodeHex(crypto.getRandomValues(new Uint8Array(8)));
  readonly #registry: MachineRegistry;
  readonly #log: EventLog;
  readonly #writer: MachineWriter;
  readonly #turns: Turns;
  readonly #encoder = new TextEncoder();
  readonly #readers = new Set<Reader>();
  /** Who has caught up and hears of everything, or of one machine. */
  readonly #live = new Set<Reader>();
  readonly #liveOf = new Map<Mac, Set<Reader>>();
  /** The number of the last event that the live readers have been sent. */
  #position = 0;
  #isSending = false;
  #heartbeat: number | undefined;

  /** @param turns In which readers catch up. */
  constructor(
    registry: MachineRegistry,
    writer: MachineWriter,
    turns: Turns,
  ) {
    this.#registry = registry;
    this.#log = registry.log;
    this.#writer = writer;
    this.#turns = turns;
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
    if (this.#readers.size >= MAX_EVENT_READERS) return undefined;
    if (this.#isQuiet()) this.#position = this.#log.next - 1;
    const missed = this.#positionAfter(request.resumeAfter);
    const reader = new Reader(request.mac, missed ?? this.#position);
    reader.state = this.#beginning(reader, missed === undefined);
    this.#readers.add(reader);
    this.#heartbeat ??= setInterval(() => this.#beat(), HEARTBEAT);
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader.controller = controller;
      },
      pull: () => this.#pull(reader),
      cancel: () => this.#remove(reader),
    }, { highWaterMark: QUEUE, size: (bytes) => bytes.byteLength });
  }

  /** Something was added to the log. */
  happened(): void {
    if (this.#isSending || this.#isQuiet()) return;
    this.#isSending = true;
    void this.#send();
  }

  /** Ends all streams. */
  close(): void {
    for (const reader of this.#readers) {
      this.#remove(reader);
      reader.controller?.close();
    }
  }

  /** Whether nobody waits for the next event. */
  #isQuiet(): boolean {
    return !this.#isSending && this.#live.size === 0 && this.#liveOf.size === 0;
  }

  /** The number in an event's id, if what came after it is still remembered. */
  #positionAfter(id: string | undefined): number | undefined {
    const [run, digits] = id?.split("-") ?? [];
    if (run !== this.#run || !/^[0-9]{1,15}$/.test(digits ?? "")) {
      return undefined;
    }
    const position = Number(digits);
    return position >= this.#log.first - 1 && position <= this.#position
      ? position
      : undefined;
  }

  /** What a stream begins with. */
  *#beginning(
    { mac, position }: Reader,
    withState: boolean,
  ): Generator<string> {
    yield `retry: ${RETRY}\n\n`;
    if (!withState) return;
    yield `id: ${this.#run}-${position}\ndata: `;
    if (mac === undefined) yield* this.#writer.machines(position);
    else {
      const machine = this.#registry.get(mac);
      yield machine === undefined
        ? "null"
        : this.#writer.machine(machine, position);
    }
    yield "\n\n";
  }

  /** Gives a reader that has not caught up what it can take now. */
  async #pull(reader: Reader): Promise<void> {
    reader.hasMoved = true;
    while (!reader.isLive && !reader.isOver) {
      const text = await this.#turns.run(() => this.#next(reader));
      if (reader.isOver || text === "") continue;
      reader.controller!.enqueue(this.#encoder.encode(text));
      return;
    }
  }

  /** The next slice of what a reader has missed; makes it live at the end. */
  #next(reader: Reader): string {
    if (reader.isOver) return "";
    if (reader.state !== undefined) {
      const { text, isLast } = sliceOf(reader.state);
      if (isLast) reader.state = undefined;
      return text;
    }
    if (this.#isQuiet()) this.#position = this.#log.next - 1;
    if (reader.position < this.#log.first - 1) {
      this.#drop(reader);
      return "";
    }
    const text = this.#events(reader, this.#position);
    if (reader.position === this.#position) this.#join(reader);
    return text;
  }

  /** Writes the events from a reader's position to another, while a slice lasts. */
  #events(reader: Reader, last: number): string {
    const end = performance.now() + SLICE;
    let text = "";
    while (reader.position < last) {
      const number = ++reader.position;
      if (reader.mac === undefined || this.#log.macAt(number) === reader.mac) {
        text += this.#eventText(number);
        this.delivered++;
      }
      if (number % BATCH === 0 && performance.now() > end) break;
    }
    return text;
  }

  #eventText(number: number): string {
    return `id: ${this.#run}-${number}\ndata: ${
      this.#writer.event(this.#log.at(number))
    }\n\n`;
  }

  #join(reader: Reader): void {
    reader.isLive = true;
    if (reader.mac === undefined) this.#live.add(reader);
    else {
      const others = this.#liveOf.get(reader.mac);
      if (others === undefined) this.#liveOf.set(reader.mac, new Set([reader]));
      else others.add(reader);
    }
  }

  /** Sends what happens until nothing more does. */
  async #send(): Promise<void> {
    while (this.#position < this.#log.next - 1) {
      await pause(GATHERING);
      if (this.#position < this.#log.first - 1) this.#dropLive();
      while (this.#position < this.#log.next - 1) await this.#sendBatch();
    }
    this.#isSending = false;
  }

  /** Sends as many events as can be written in a slice. */
  async #sendBatch(): Promise<void> {
    const end = performance.now() + SLICE;
    const last = this.#log.next - 1;
    const first = this.#position + 1;
    let text = "";
    while (this.#position < last) {
      const number = ++this.#position;
      const event = this.#eventText(number);
      text += event;
      for (const reader of this.#liveOf.get(this.#log.macAt(number)) ?? []) {
        this.#give(reader, this.#encoder.encode(event), 1);
      }
      if (number % BATCH === 0 && performance.now() > end) break;
    }
    const bytes = this.#encoder.encode(text);
    const count = this.#position + 1 - first;
    let begun = performance.now();
    // Who joins meanwhile has these events already.
    for (const reader of [...this.#live]) {
      this.#give(reader, bytes, count);
      if (performance.now() - begun < SLICE) continue;
      await pause(1);
      begun = performance.now();
    }
  }

  #give(reader: Reader, bytes: Uint8Array, count: number): void {
    if (reader.isOver) return;
    if (reader.backlog + bytes.length > MAX_EVENT_BACKLOG) {
      return this.#drop(reader);
    }
    reader.controller!.enqueue(bytes);
    this.delivered += count;
  }

  /** A sign of life to all; who has not read since the last one is dropped. */
  #beat(): void {
    const comment = this.#encoder.encode(":\n\n");
    for (const reader of this.#readers) {
      if (!reader.hasMoved && reader.backlog >= QUEUE) this.#drop(reader);
      else if (reader.isLive) this.#give(reader, comment, 0);
      reader.hasMoved = false;
    }
  }

  /** The log has run over what they had not been sent. */
  #dropLive(): void {
    for (const reader of this.#readers) {
      if (reader.isLive) this.#drop(reader);
    }
    this.#position = this.#log.first - 1;
  }

  #drop(reader: Reader): void {
    this.#remove(reader);
    this.dropped++;
    // Closing would keep what it has not read; this forgets it.
    reader.controller!.error(new Error("too slow"));
  }

  #remove(reader: Reader): void {
    if (reader.isOver) return;
    reader.isOver = true;
    reader.isLive = false;
    reader.state = undefined;
    this.#readers.delete(reader);
    this.#live.delete(reader);
    if (reader.mac !== undefined) {
      const others = this.#liveOf.get(reader.mac);
      others?.delete(reader);
      if (others?.size === 0) this.#liveOf.delete(reader.mac);
    }
    if (this.#readers.size === 0) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
