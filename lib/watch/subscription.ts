/**
 * Follows one daemon's event stream, through its restarts and a bad network.
 *
 * @module
 */

import { MAX_EVENT_CHARACTERS } from "../overload/limits.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import type { DaemonUrl } from "./daemon_url.ts";
import { EventStreamParser, EventTooLongError } from "./event_stream.ts";
import { type Message, readMessage } from "./message.ts";

/** Milliseconds that things get or take. */
export interface SubscriptionTimingOptions {
  /** Until a daemon has begun to answer. */
  readonly answer: number;
  /** Without an octet; a daemon writes a comment every 15 s. */
  readonly silence: number;
  /** Before the first new try, unless the daemon names another time. */
  readonly firstWait: number;
  /** Before a later try, at most. */
  readonly longestWait: number;
  /** Before a new try where somebody has to change something first. */
  readonly refusedWait: number;
}

/** What is so in the program. */
export const PATIENCE: SubscriptionTimingOptions = {
  answer: 10_000,
  silence: 45_000,
  firstWait: 1000,
  longestWait: 15_000,
  refusedWait: 60_000,
};

/** Who is told of what a daemon says, and of how it is reached. */
export interface FollowObserver {
  /** A connection is good; `clock`: the daemon's time less this host's, in ms. */
  connected(clock: number, signal: AbortSignal): void | Promise<void>;
  /** A message; the next one is read when this is settled. */
  message(message: Message): Promise<void>;
  /** The daemon is away, for a reason that may pass. */
  away(reason: string): void;
  /** The daemon answers, but not with its events, until somebody helps. */
  refused(reason: string): void;
}

/** The daemon is not there now. */
class Away extends Error {}

/** The daemon does not want to, and will not by itself. */
class Refusal extends Error {}

/** What can go back in a header: a daemon's IDs are far from these bounds. */
const SENDABLE_ID = /^[!-~]{1,256}$/;

/** Milliseconds of difference below which two clocks count as the same. */
const CLOCK_TOLERANCE = 2000;

/** One daemon that is followed. */
export class Follower {
  readonly #daemon: DaemonUrl;
  readonly #observer: FollowObserver;
  readonly #timing: SubscriptionTimingOptions;
  /** The last event that was handled. */
  #lastEventId = "";
  #wait: number;
  #firstWait: number;

  constructor(
    daemon: DaemonUrl,
    observer: FollowObserver,
    timing = PATIENCE,
  ) {
    this.#daemon = daemon;
    this.#observer = observer;
    this.#timing = timing;
    this.#firstWait = this.#wait = timing.firstWait;
  }

  /** Follows it until `signal` is given; what the observer throws ends it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#connectOnce(signal);
      } catch (error) {
        if (signal.aborted) return;
        await pause(this.#waitAfter(error), signal);
      }
    }
  }

  /** Tells why a connection ended; milliseconds to wait before the next. */
  #waitAfter(error: unknown): number {
    if (error instanceof Refusal) {
      this.#observer.refused(error.message);
      return this.#timing.refusedWait;
    }
    if (error instanceof Away) {
      this.#observer.away(error.message);
      const wait = this.#wait;
      this.#wait = Math.min(2 * wait, this.#timing.longestWait);
      return wait;
    }
    throw error;
  }

  /** One connection; ends only by an error, or by `signal`. */
  async #connectOnce(signal: AbortSignal): Promise<void> {
    const connection = new AbortController();
    const both = AbortSignal.any([signal, connection.signal]);
    try {
      const response = await this.#ask(connection, both);
      this.#mustBeStream(response);
      let isGreeted = false;
      const greet = async () => {
        if (isGreeted) return;
        isGreeted = true;
        await this.#observer.connected(clockOf(response), both);
      };
      await this.#read(response.body!.getReader(), connection, greet);
    } finally {
      connection.abort();
    }
  }

  async #ask(
    connection: AbortController,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = new Headers({ accept: "text/event-stream" });
    if (this.#lastEventId !== "") {
      headers.set("last-event-id", this.#lastEventId);
    }
    return await within(
      this.#timing.answer,
      "it does not answer",
      connection,
      fetch(this.#daemon.events, { headers, signal }),
    );
  }

  /** @throws {Refusal | Away} if it is no stream of events. */
  #mustBeStream({ status, headers, body }: Response): void {
    const { host, events } = this.#daemon;
    if (status === 200) {
      const type = headers.get("content-type") ?? "nothing";
      if (body !== null && /^text\/event-stream\s*(;|$)/i.test(type)) return;
      throw new Refusal(
        `${events.pathname} answers with ${
          escapeControls(type)
        } instead of events: is there a dhcpv6macd?`,
      );
    }
    if (status >= 500 || status === 408 || status === 429) {
      throw new Away(`it answers with status ${status}`);
    }
    throw new Refusal(refusalText(status, host, events.pathname));
  }

  async #read(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    connection: AbortController,
    greet: () => Promise<void>,
  ): Promise<void> {
    const parser = new EventStreamParser(MAX_EVENT_CHARACTERS);
    const { silence } = this.#timing;
    while (true) {
      const { done, value } = await within(
        silence,
        `nothing came for ${silence / 1000} s`,
        connection,
        reader.read(),
      );
      if (done) throw new Away("it ended the stream");
      for (const { id, type, data } of parse(parser, value)) {
        const message = type === "message" ? parseMessage(data) : undefined;
        await greet();
        if (message !== undefined) await this.#observer.message(message);
        this.#lastEventId = SENDABLE_ID.test(id) ? id : "";
      }
      this.#wait = this.#firstWait = this.#firstWaitOf(parser);
      // Who comes back may have missed nothing, and gets no message at once.
      await greet();
    }
  }

  #firstWaitOf({ retry = this.#firstWait }: EventStreamParser): number {
    const { firstWait, longestWait } = this.#timing;
    return Math.min(Math.max(retry, firstWait), longestWait);
  }
}

/** The events in a piece of a stream. */
function* parse(parser: EventStreamParser, bytes: Uint8Array) {
  try {
    yield* parser.push(bytes);
  } catch (error) {
    if (!(error instanceof EventTooLongError)) throw error;
    throw new Refusal(
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
    throw new Refusal("its events are no JSON: is there a dhcpv6macd?");
  }
}

function refusalText(status: number, host: string, path: string): string {
  switch (status) {
    case 403:
      return "it refuses this host (status 403): give that daemon --http-allow with this host's address, or a prefix that holds it";
    case 404:
      return `it has no ${
        escapeControls(path)
      } (status 404): leave the path out, and see whether there is a dhcpv6macd that has events`;
    case 421:
      return `it does not answer to the name ${
        escapeControls(host)
      } (status 421): give that daemon --http-host ${
        escapeControls(host)
      }, or use its address`;
    default:
      return `it answers with status ${status}: is there a dhcpv6macd, with nothing between?`;
  }
}

/** The daemon's clock less this host's, in milliseconds. */
function clockOf({ headers }: Response): number {
  const difference = Date.parse(headers.get("date") ?? "") - Date.now();
  return Math.abs(difference) > CLOCK_TOLERANCE ? difference : 0;
}

/** Waits for what the network does, but not for ever. */
async function within<T>(
  milliseconds: number,
  otherwise: string,
  connection: AbortController,
  work: Promise<T>,
): Promise<T> {
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    connection.abort();
  }, milliseconds);
  try {
    return await work;
  } catch (error) {
    throw new Away(isLate ? otherwise : reasonOf(error));
  } finally {
    clearTimeout(timer);
  }
}

/** What went wrong, without all that `fetch` puts before it. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return escapeControls(
    message.replace(/^error sending request[^)]*\)[^:]*: /, "")
      .replace(/^client error \([A-Za-z]+\): /, ""),
  );
}

/** Waits so many milliseconds, or until the signal. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}
