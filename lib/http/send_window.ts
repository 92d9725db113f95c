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
import type { StreamResponse } from "./responses.ts";

/** Milliseconds between two looks at what clients have read. */
const POLL_INTERVAL = 2;

/** Looks after which the next one at a client that reads nothing comes, at most. */
const MAX_POLLS_BETWEEN = 64;

/** Connections that are looked at each time: a system call for each. */
const CONNECTIONS_PER_POLL = 128;

/**
 * The share of the memory that is divided equally. The rest is for the first
 * clients, so that a few connections are not slowed down.
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
 * Windows of bytes that are handed to the runtime and not acknowledged: equal
 * shares for all connections with a response in progress.
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
    { body, release }: StreamResponse,
    connection: Connection,
    completed: Promise<void>,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const reader = body!.getReader();
    let last: Uint8Array<ArrayBuffer> | undefined;
    let size = FIRST_CHUNK;
    let isStarving = false;
    const setStarving = (is: boolean) => {
      if (is !== isStarving) connection.starving += is ? 1 : -1;
      isStarving = is;
    };
    const end = () => setStarving(false);
    completed.then(end, end);
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        if (last !== undefined) release?.(last);
        last = undefined;
        if (!this.#isOpen(connection, size)) await this.#wait(connection, size);
        setStarving(true);
        const { value, done } = await reader.read();
        setStarving(false);
        if (done) return controller.close();
        last = value;
        size = value.length;
        connection.hand(size);
        controller.enqueue(value);
      },
      cancel: (reason) =>
        reader.cancel(connection.wasStalled ? TOO_SLOW : reason),
    }, { highWaterMark: 0 });
  }

  #isOpen(connection: Connection, bytes: number): boolean {
    if (connection.unreadBytes > 0) connection.measure();
    // One chunk always, however many others there are.
    if (connection.unreadBytes === 0) return true;
    const { answering, unreadBytes } = this.#connections;
    const share = this.#size / answering;
    const next = connection.unreadBytes + bytes;
    const isFree = unreadBytes + bytes <= (1 - DIVIDED_SHARE) * this.#size;
    return next <= (isFree ? share : DIVIDED_SHARE * share);
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
