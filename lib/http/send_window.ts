/**
 * Bounds the bytes of responses that wait for clients to read them.
 *
 * Workaround: the runtime takes about 400 KB of a body, and the kernel up to
 * several megabytes, before either lets the program wait for the client (Deno
 * 2.6.8 to 2.9.6). Without it "256 downloads that stand still" in
 * tests/system/abuse/connections_test.ts fails.
 *
 * @module
 */

import { MAX_UNREAD_BYTES } from "../overload/limits.ts";
import {
  type Connection,
  ConnectionLost,
  type Connections,
  type ConnectionTurns,
} from "./connections.ts";
import { type BodySink, type BodySource, streamOf } from "./body_source.ts";

/** Milliseconds between two looks at what clients have read. */
const POLL_INTERVAL = 2;

/** Looks after which the next one at a client that reads nothing comes, at most. */
const MAX_POLLS_BETWEEN = 64;

/** Connections that are looked at each time: a system call for each. */
const CONNECTIONS_PER_POLL = 128;

/**
 * Connections that are measured when there is no room for one, and that are
 * looked at for that: what others have read since is not known.
 */
const CONNECTIONS_PER_REFUSAL = 16;
const MAX_LOOKED_AT = 128;

/**
 * The share of the memory that is divided equally between all clients. Of the
 * rest each may have as much as is left: few clients are slow at the same time,
 * and the others need no more than a moment's worth.
 */
export const DIVIDED_SHARE = 0.5;

/** Of the undivided memory, one body gets this part of what is left at once. */
const ROOM_PARTS = 8;

/** Bytes that the first chunk of a body is expected to have. */
const FIRST_CHUNK = 16 * 1024;

/**
 * Bytes at the end of a body that the runtime gets only when the client has read
 * nearly all before them. To the runtime a response is over when it has taken the
 * last byte, and what the client has not read then belongs to no response.
 */
const TAIL = 16 * 1024;

/**
 * Bytes before the tail that may still be on their way then: clients acknowledge
 * the last of what they have read 40 ms later (RFC 1122 section 4.2.3.2).
 */
const UNACKNOWLEDGED = 2 * TAIL;

/** Why a body is cancelled whose client does not read. */
export const TOO_SLOW = "the client does not read";

/** A response that waits for its client. */
interface Waiting {
  readonly connection: Connection;
  readonly bytes: number;
  readonly resolve: () => void;
  /** The number of the look at which it is due. */
  due: number;
  /** Looks between the last one and that one. */
  pause: number;
}

/**
 * Windows of bytes that are handed to the runtime and not acknowledged, for all
 * connections with a response in progress.
 */
export class SendWindows {
  readonly #connections: Connections;
  readonly #size: number;
  readonly #waiting = new Map<LimitedBody, Waiting>();
  /** Where {@linkcode #measureOthers} goes on. */
  readonly #turns: ConnectionTurns;
  #isScheduled = false;
  /** The number of the last look. */
  #polls = 0;

  /** @param size Bytes that may wait for all clients together. */
  constructor(connections: Connections, size = MAX_UNREAD_BYTES) {
    this.#connections = connections;
    this.#turns = connections.turns();
    this.#size = size;
  }

  /**
   * A body that goes on while its client reads. The connection's other bodies
   * have the same window.
   *
   * @param completed Settles at the end of the response.
   */
  limit(
    source: BodySource,
    connection: Connection,
    completed: Promise<void>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const body: LimitedBody = new LimitedBody(
      source,
      connection,
      () => this.#whenRead(body, connection),
      (bytes) => this.#roomFor(bytes),
    );
    const end = () => {
      body.end();
      this.#waiting.delete(body);
    };
    completed.then(end, (error) => {
      end();
      if (error instanceof ConnectionLost) source.cancel(error);
    });
    // While there is nothing to write, the last chunk may still be on its way.
    const isWaiting = () =>
      connection.unreadBytes <= body.lastSize && (source.isIdle?.() ?? false);
    return streamOf({
      pull: (sink) => {
        body.release();
        // It comes by itself.
        if (body.hasTail) return;
        const { lastSize } = body;
        return isWaiting() || this.#isOpen(connection, lastSize) || isWaiting()
          ? body.pull(sink)
          : this.#wait(body, connection).then(() => body.pull(sink));
      },
      cancel: (reason) => {
        end();
        source.cancel(connection.wasStalled ? TOO_SLOW : reason);
      },
      onSent: () => source.onSent?.(),
    });
  }

  /** Resolves when the client has read nearly all before the tail of a body. */
  #whenRead(body: LimitedBody, connection: Connection): Promise<void> | void {
    if (!this.#isRead(body, connection)) return this.#wait(body, connection);
  }

  #isRead(body: LimitedBody, connection: Connection): boolean {
    return body.isRead() || this.#hasEnded(connection);
  }

  /** Whether its client reads nothing more, or it cannot be known. */
  #hasEnded(connection: Connection): boolean {
    return connection.isOver || this.#connections.isLost(connection);
  }

  /** Whether a connection may have a chunk of so many bytes now. */
  #isOpen(connection: Connection, bytes: number): boolean {
    const { answering } = this.#connections;
    const share = DIVIDED_SHARE * this.#size / answering;
    if (connection.unreadBytes + bytes <= share) return true;
    connection.measure();
    // One chunk always, however many others there are. What is over is to be
    // written to: the runtime does not see its end while a further request waits
    // in it.
    if (connection.unreadBytes === 0 || this.#hasEnded(connection)) return true;
    return connection.unreadBytes + bytes <= share ||
      this.#hasFree(connection, bytes) ||
      this.#measureOthers() && this.#hasFree(connection, bytes);
  }

  /** Bytes of the undivided memory that are left. */
  get #free(): number {
    return (1 - DIVIDED_SHARE) * this.#size - this.#connections.unreadBytes;
  }

  #hasFree(connection: Connection, bytes: number): boolean {
    return connection.unreadBytes + bytes <= this.#free;
  }

  #roomFor(bytes: number): number {
    if (this.#free < ROOM_PARTS * bytes) this.#measureOthers();
    return Math.min(bytes, Math.max(0, this.#free / ROOM_PARTS));
  }

  /** Measures some of the connections, in turns. Returns whether there are any. */
  #measureOthers(): boolean {
    let left = CONNECTIONS_PER_REFUSAL;
    for (let looked = 0; looked < MAX_LOOKED_AT && left > 0; looked++) {
      const connection = this.#turns.next();
      if (connection === undefined || connection.unreadBytes === 0) continue;
      connection.measure();
      left--;
    }
    return left < CONNECTIONS_PER_REFUSAL;
  }

  #wait(body: LimitedBody, connection: Connection): Promise<void> {
    return new Promise((resolve) => {
      const due = this.#polls + 1;
      const bytes = body.lastSize;
      this.#waiting.set(body, { connection, bytes, resolve, due, pause: 1 });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    setTimeout(() => {
      this.#isScheduled = false;
      this.#poll();
      this.#schedule();
    }, POLL_INTERVAL);
  }

  /** Lets those go on whose clients have read, the longest waiting first. */
  #poll(): void {
    this.#polls++;
    let left = CONNECTIONS_PER_POLL;
    let isLost = false;
    for (const [body, waiting] of this.#waiting) {
      if (left === 0) break;
      if (waiting.due > this.#polls) continue;
      left--;
      const { connection, bytes, resolve } = waiting;
      isLost ||= connection.descriptor < 0;
      const mayGoOn = body.hasTail
        ? this.#isRead(body, connection)
        : this.#isOpen(connection, bytes);
      if (mayGoOn) {
        this.#waiting.delete(body);
        resolve();
        continue;
      }
      waiting.pause = Math.min(2 * waiting.pause, MAX_POLLS_BETWEEN);
      waiting.due = this.#polls + waiting.pause;
    }
    if (isLost) this.#connections.search();
  }
}

/** A body whose chunks are counted as they are written. */
class LimitedBody implements BodySink {
  /** Bytes of the last chunk. */
  lastSize = FIRST_CHUNK;
  readonly #source: BodySource;
  readonly #connection: Connection;
  #sink!: BodySink;
  /** The last chunk, if the runtime may not have taken it yet. */
  #last: Uint8Array<ArrayBuffer> | undefined;
  /** The end of the last chunk, while the client reads what is before. */
  #tail: Uint8Array<ArrayBuffer> | undefined;
  /** Bytes that the client has acknowledged then, or more. */
  #acknowledgedThen = 0;
  readonly #whenRead: () => Promise<void> | void;
  /** See {@linkcode BodySink.roomFor}. */
  readonly roomFor: (bytes: number) => number;
  #isStarving = false;
  #isOver = false;

  /** @param whenRead Waits until {@linkcode isRead} gives `true`. */
  constructor(
    source: BodySource,
    connection: Connection,
    whenRead: () => Promise<void> | void,
    roomFor: (bytes: number) => number,
  ) {
    this.#source = source;
    this.#connection = connection;
    this.#whenRead = whenRead;
    this.roomFor = roomFor;
  }

  /** Whether all is handed to the runtime but the tail. */
  get hasTail(): boolean {
    return this.#tail !== undefined;
  }

  /** Whether the client has read nearly all before the tail. */
  isRead(): boolean {
    this.#connection.measure();
    return this.#connection.acknowledgedBytes >= this.#acknowledgedThen;
  }

  /** Counts whether the runtime waits for the next chunk. */
  #setStarving(is: boolean): void {
    if (is === this.#isStarving) return;
    this.#isStarving = is;
    this.#connection.starving += is ? 1 : -1;
  }

  /** The response is over, or the client has left. */
  end(): void {
    this.#isOver = true;
    this.#tail = undefined;
    this.#setStarving(false);
    this.release();
  }

  /** Gives back the last chunk: the runtime has taken it. */
  release(): void {
    if (this.#last !== undefined) this.#source.release?.(this.#last);
    this.#last = undefined;
  }

  /** Asks for the next chunk. */
  pull(sink: BodySink): Promise<void> | void {
    if (this.#isOver) return;
    this.#sink = sink;
    this.#setStarving(true);
    return this.#source.pull(this);
  }

  enqueue(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#isOver) return this.#source.release?.(chunk);
    this.#setStarving(false);
    this.#hand(chunk);
    this.#sink.enqueue(chunk);
  }

  last(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#isOver) return this.#source.release?.(chunk);
    this.#setStarving(false);
    const connection = this.#connection;
    connection.measure();
    if (chunk.length <= TAIL && connection.unreadBytes <= UNACKNOWLEDGED) {
      this.#hand(chunk);
      return this.#sink.last(chunk);
    }
    // A copy, for the memory of the chunk is given back before.
    this.#tail = chunk.slice(-TAIL);
    const head = chunk.subarray(0, -TAIL);
    if (head.length > 0) this.enqueue(head);
    else this.#source.release?.(chunk);
    this.#acknowledgedThen = connection.acknowledgedBytes +
      connection.unreadBytes - UNACKNOWLEDGED;
    const waiting = this.#whenRead();
    if (waiting === undefined) this.#sendTail();
    else waiting.then(() => this.#sendTail());
  }

  close(): void {
    this.#setStarving(false);
    this.#sink.close();
  }

  #sendTail(): void {
    const tail = this.#tail;
    if (tail === undefined || this.#isOver) return;
    this.#hand(tail);
    this.#sink.last(tail);
  }

  /** Counts a chunk that the runtime gets. */
  #hand(chunk: Uint8Array<ArrayBuffer>): void {
    this.#last = chunk;
    this.lastSize = chunk.length;
    this.#connection.hand(chunk.length);
  }

  error(reason: unknown): void {
    this.#setStarving(false);
    this.#sink.error(reason);
  }
}
