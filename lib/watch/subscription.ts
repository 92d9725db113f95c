/**
 * Subscribes to one daemon's event stream and reconnects whenever the connection
 * ends.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { fetchErrorReason } from "../net/fetch_error.ts";
import type { Fetch } from "../net/trusting_fetch.ts";
import { MAX_EVENT_CHARACTERS } from "../overload/limits.ts";
import { Backoff, delay } from "../overload/timeout.ts";
import type { DaemonUrl } from "./daemon_url.ts";
import { EventStreamParser, EventTooLongError } from "./event_stream.ts";
import { type Message, readMessage } from "./message.ts";

/** Timeouts and back-off, in milliseconds. */
export interface SubscriptionTimingOptions {
  /** Until the response begins. */
  readonly responseTimeout: number;
  /** Without a byte; a daemon writes a comment every 15 s. */
  readonly idleTimeout: number;
  /** Before the first retry, unless the daemon's `retry` field is longer. */
  readonly minBackoff: number;
  /** Before a later retry, at most. */
  readonly maxBackoff: number;
  /** Before a retry after a refusal, which only an operator can end. */
  readonly refusedBackoff: number;
}

/** What `watch` uses. */
export const DEFAULT_TIMING: SubscriptionTimingOptions = {
  responseTimeout: 10_000,
  idleTimeout: 45_000,
  minBackoff: 1000,
  maxBackoff: 15_000,
  refusedBackoff: 60_000,
};

/** Gets the messages of a subscription and the state of its connection. */
export interface SubscriptionObserver {
  /**
   * The event stream has begun.
   *
   * @param clockOffset The daemon's clock minus this host's, in ms.
   * @param signal Aborted when this connection ends.
   */
  connected(clockOffset: number, signal: AbortSignal): void | Promise<void>;
  /** A message; the next one is read when the promise is settled. */
  message(message: Message): Promise<void>;
  /** The connection failed; the subscription retries with back-off. */
  unreachable(reason: string): void;
  /** The daemon refuses; the subscription retries once a minute. */
  refused(reason: string): void;
}

/** The connection failed or ended. */
class UnreachableError extends Error {}

/** The response is not an event stream. */
class RefusedError extends Error {}

/** The event IDs that are sent back in a header: a daemon's are shorter. */
const SENDABLE_ID = /^[!-~]{1,256}$/;

/** Milliseconds below which two clocks count as the same: Date has whole seconds. */
const CLOCK_TOLERANCE = 2000;

/** A subscription to one daemon. */
export class Subscription {
  readonly #daemon: DaemonUrl;
  readonly #observer: SubscriptionObserver;
  readonly #timing: SubscriptionTimingOptions;
  readonly #fetch: Fetch;
  /** The last event that was handled. */
  #lastEventId = "";
  readonly #backoff: Backoff;

  constructor(
    daemon: DaemonUrl,
    observer: SubscriptionObserver,
    timing = DEFAULT_TIMING,
    fetch: Fetch = globalThis.fetch,
  ) {
    this.#daemon = daemon;
    this.#observer = observer;
    this.#timing = timing;
    this.#fetch = fetch;
    const { minBackoff, maxBackoff } = timing;
    this.#backoff = new Backoff(minBackoff, maxBackoff, () => 1);
  }

  /**
   * Connects and reconnects until `signal` is aborted.
   *
   * @throws What the observer throws.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#connectOnce(signal);
      } catch (error) {
        if (signal.aborted) return;
        await delay(this.#backoffAfter(error), signal);
      }
    }
  }

  /** Reports why a connection ended; milliseconds until the retry. */
  #backoffAfter(error: unknown): number {
    if (error instanceof RefusedError) {
      this.#observer.refused(error.message);
      return this.#timing.refusedBackoff;
    }
    if (error instanceof UnreachableError) {
      this.#observer.unreachable(error.message);
      return this.#backoff.next();
    }
    throw error;
  }

  /** One connection; returns only by an error. */
  async #connectOnce(signal: AbortSignal): Promise<void> {
    const connection = new AbortController();
    const both = AbortSignal.any([signal, connection.signal]);
    try {
      const response = await this.#request(connection, both);
      this.#checkResponse(response);
      let isReported = false;
      const reportOnce = async () => {
        if (isReported) return;
        isReported = true;
        await this.#observer.connected(clockOffsetOf(response), both);
      };
      await this.#read(response.body!.getReader(), connection, reportOnce);
    } finally {
      connection.abort();
    }
  }

  async #request(
    connection: AbortController,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = new Headers({ accept: "text/event-stream" });
    if (this.#lastEventId !== "") {
      headers.set("last-event-id", this.#lastEventId);
    }
    return await withTimeout(
      this.#timing.responseTimeout,
      "no response",
      connection,
      this.#fetch(this.#daemon.events, { headers, signal }),
    );
  }

  /** @throws {RefusedError | UnreachableError} if it is not an event stream. */
  #checkResponse({ status, headers, body }: Response): void {
    const { host, events } = this.#daemon;
    if (status === 200) {
      const type = headers.get("content-type") ?? "no content type";
      if (body !== null && /^text\/event-stream\s*(;|$)/i.test(type)) return;
      throw new RefusedError(
        `${events.pathname} is ${
          escapeControls(type)
        } and not an event stream: is there a dhcpv6macd?`,
      );
    }
    if (status >= 500 || status === 408 || status === 429) {
      throw new UnreachableError(`status ${status}`);
    }
    throw new RefusedError(refusalText(status, host, events.pathname));
  }

  async #read(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    connection: AbortController,
    reportConnected: () => Promise<void>,
  ): Promise<void> {
    const parser = new EventStreamParser(MAX_EVENT_CHARACTERS);
    const { idleTimeout } = this.#timing;
    while (true) {
      const { done, value } = await withTimeout(
        idleTimeout,
        `nothing received for ${idleTimeout / 1000} s`,
        connection,
        reader.read(),
      );
      if (done) throw new UnreachableError("it ended the stream");
      for (const { id, type, data } of parse(parser, value)) {
        const message = type === "message" ? parseMessage(data) : undefined;
        await reportConnected();
        if (message !== undefined) await this.#observer.message(message);
        this.#lastEventId = SENDABLE_ID.test(id) ? id : "";
      }
      this.#backoff.reset(this.#minBackoffFrom(parser));
      // A resumed stream in which nothing was missed begins without an event.
      await reportConnected();
    }
  }

  /** Milliseconds that the daemon asks to wait; `undefined` if it does not. */
  #minBackoffFrom({ retry }: EventStreamParser): number | undefined {
    if (retry === undefined) return undefined;
    const { minBackoff, maxBackoff } = this.#timing;
    return Math.min(Math.max(retry, minBackoff), maxBackoff);
  }
}

/** The events that end in a chunk of a stream. */
function* parse(parser: EventStreamParser, chunk: Uint8Array) {
  try {
    yield* parser.push(chunk);
  } catch (error) {
    if (!(error instanceof EventTooLongError)) throw error;
    throw new RefusedError(
      `its state has more than ${
        MAX_EVENT_CHARACTERS / 2 ** 20
      } Mi characters: watch one machine with ?mac=, or give that daemon a smaller --max-machines`,
    );
  }
}

function parseMessage(data: string): Message | undefined {
  try {
    return readMessage(data);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new RefusedError("its events are no JSON: is there a dhcpv6macd?");
  }
}

function refusalText(status: number, host: string, path: string): string {
  switch (status) {
    case 403:
      return "it refuses this host (status 403): give that daemon --http-allow with this host's address or prefix";
    case 404:
      return `it has no ${
        escapeControls(path)
      } (status 404): leave the path out, and check that the URL is that of a dhcpv6macd`;
    case 421:
      return `it does not answer to the name ${
        escapeControls(host)
      } (status 421): give that daemon --http-host ${
        escapeControls(host)
      }, or use its address`;
    default:
      return `it answers with status ${status}: is there a dhcpv6macd, without a proxy in between?`;
  }
}

/** The daemon's clock minus this host's, in milliseconds. */
function clockOffsetOf({ headers }: Response): number {
  const offset = Date.parse(headers.get("date") ?? "") - Date.now();
  return Math.abs(offset) > CLOCK_TOLERANCE ? offset : 0;
}

/**
 * Waits for an operation of a connection.
 *
 * @param timeoutReason What the error says if it takes longer than `milliseconds`.
 * @throws {UnreachableError} if the operation fails or takes longer.
 */
async function withTimeout<T>(
  milliseconds: number,
  timeoutReason: string,
  connection: AbortController,
  operation: Promise<T>,
): Promise<T> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    connection.abort();
  }, milliseconds);
  try {
    const result = await operation;
    // The timer may expire in the same turn of the event loop.
    if (!isLate) return result;
  } catch (error) {
    if (!isLate) throw new UnreachableError(reasonOf(error));
  } finally {
    clearTimeout(timer);
  }
  throw new UnreachableError(timeoutReason);
}

function reasonOf(error: unknown): string {
  return escapeControls(
    fetchErrorReason(error).replace(/^client error \([A-Za-z]+\): /, ""),
  );
}
