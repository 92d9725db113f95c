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
import type { Connection, Connections } from "./connections.ts";
import { type BodySink, type BodySource, streamOf } from "./body_source.ts";

/** Milliseconds between two looks at what clients have read. */
const POLL_INTERVAL = 2;

/** Looks after which the next one at a client that reads nothing comes, at most. */
const MAX_POLLS_BETWEEN = 64;

/** Connections that are looked at each time: a system call for each. */
const CONNECTIONS_PER_POLL = 128;

/**
 * The share of the memory that is divided equally between all clients. Of the
 * rest each may have as much as is left: few clients are slow at the same time,
 * and the others need no more than a moment's worth.
 */
const DIVIDED_SHARE = 0.5;

/** Bytes that the first chunk of a body is expected to have. */
const FIRST_CHUNK = 16 * 1024;

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
  #waiting: Waiting[] = [];
  #isScheduled = false;
  /** The number of the last look. */
  #polls = 0;

  /** @param size Bytes that may wait for all clients together. */
  constructor(connections: Connections, size = MAX_UNREAD_BYTES) {
    this.#connections = connections;
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
    const body = new LimitedBody(source, connection);
    const end = () => {
      body.isStarving = false;
      body.release();
    };
    completed.then(end, end);
    // While there is nothing to write, the last chunk may still be on its way.
    const isWaiting = () =>
      connection.unreadBytes <= body.lastSize && (source.isIdle?.() ?? false);
    return streamOf({
      pull: (sink) => {
        body.release();
        const { lastSize } = body;
        return isWaiting() || this.#isOpen(connection, lastSize) || isWaiting()
          ? body.pull(sink)
          : this.#wait(connection, lastSize).then(() => body.pull(sink));
      },
      cancel: (reason) =>
        source.cancel(connection.wasStalled ? TOO_SLOW : reason),
    });
  }

  /** Whether a connection may have a chunk of so many bytes now. */
  #isOpen(connection: Connection, bytes: number): boolean {
    const { answering } = this.#connections;
    const share = DIVIDED_SHARE * this.#size / answering;
    if (connection.unreadBytes + bytes <= share) return true;
    connection.measure();
    // One chunk always, however many others there are.
    if (connection.unreadBytes === 0) return true;
    const free = (1 - DIVIDED_SHARE) * this.#size -
      this.#connections.unreadBytes;
    return connection.unreadBytes + bytes <= Math.max(share, free);
  }

  #wait(connection: Connection, bytes: number): Promise<void> {
    return new Promise((resolve) => {
      const due = this.#polls + 1;
      this.#waiting.push({ connection, bytes, resolve, due, pause: 1 });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
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
    this.#waiting = this.#waiting.filter((waiting) => {
      if (waiting.due > this.#polls || left === 0) return true;
      left--;
      const { connection, bytes, resolve } = waiting;
      isLost ||= connection.descriptor < 0;
      if (connection.responses === 0 || this.#isOpen(connection, bytes)) {
        resolve();
        return false;
      }
      waiting.pause = Math.min(2 * waiting.pause, MAX_POLLS_BETWEEN);
      waiting.due = this.#polls + waiting.pause;
      return true;
    });
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
  #isStarving = false;

  constructor(source: BodySource, connection: Connection) {
    this.#source = source;
    this.#connection = connection;
  }

  /** Whether the runtime waits for the next chunk. */
  set isStarving(is: boolean) {
    if (is === this.#isStarving) return;
    this.#isStarving = is;
    this.#connection.starving += is ? 1 : -1;
  }

  /** Gives back the last chunk: the runtime has taken it. */
  release(): void {
    if (this.#last !== undefined) this.#source.release?.(this.#last);
    this.#last = undefined;
  }

  /** Asks for the next chunk. */
  pull(sink: BodySink): Promise<void> | void {
    this.#sink = sink;
    this.isStarving = true;
    return this.#source.pull(this);
  }

  enqueue(chunk: Uint8Array<ArrayBuffer>): void {
    this.isStarving = false;
    this.#last = chunk;
    this.lastSize = chunk.length;
    this.#connection.hand(chunk.length);
    this.#sink.enqueue(chunk);
  }

  close(): void {
    this.isStarving = false;
    this.#sink.close();
  }

  error(reason: unknown): void {
    this.isStarving = false;
    this.#sink.error(reason);
  }
}
