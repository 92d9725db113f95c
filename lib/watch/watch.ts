/**
 * Watches daemons: subscribes to each of them and shows their events.
 *
 * @module
 */

import { MAX_WATCHED_MACHINES } from "../overload/limits.ts";
import { type Fetch, TrustingFetch } from "../net/trusting_fetch.ts";
import type { LogSink } from "../telemetry/log.ts";
import { waitAtMost } from "../overload/timeout.ts";
import { type DaemonUrl, labelsOf } from "./daemon_url.ts";
import type { Message } from "./message.ts";
import { fetchNames } from "./names.ts";
import { Output, OutputError } from "./output.ts";
import {
  DEFAULT_TIMING,
  Subscription,
  type SubscriptionObserver,
} from "./subscription.ts";
import { Timelines } from "./timelines.ts";
import { JsonView, type Source, TextView, type View } from "./view.ts";

/** Which daemons are watched, and how their events are shown. */
export interface WatchOptions {
  readonly daemons: readonly DaemonUrl[];
  /** Certificates in PEM that are trusted besides the usual ones. */
  readonly caCerts?: readonly string[];
  /** JSON for programs instead of lines for people. */
  readonly json: boolean;
  /** Where the lines go, and whether it is a terminal. */
  readonly sink: LogSink;
  readonly isTerminal: boolean;
  readonly isColored: boolean;
  /** Reports whether daemons can be reached. */
  readonly say: (sentence: string) => void;
}

/** Milliseconds between two requests for a daemon's names, which may change. */
const NAMES_INTERVAL = 60_000;

/** Milliseconds to write the last lines. */
const FLUSH_TIMEOUT = 500;

/**
 * Watches until `signal` is aborted or the reader of the lines closes the pipe.
 *
 * @returns `false` if all daemons refused at the start, else `true`.
 * @throws {OutputError} if writing fails for another reason than a closed pipe.
 */
export async function watch(
  options: WatchOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { daemons, caCerts = [], json, sink, isTerminal, isColored, say } =
    options;
  const { fetch } = new TrustingFetch(caCerts);
  const output = new Output(sink);
  const view = json ? new JsonView(output) : new TextView(output, {
    isTerminal,
    isColored,
    isLabeled: daemons.length > 1,
  });
  const ending = new AbortController();
  const either = AbortSignal.any([signal, ending.signal]);
  const labels = labelsOf(daemons);
  const names = new NameTable();
  const watched = daemons.map((daemon, index) =>
    new WatchedDaemon(
      daemon,
      labels[index]!,
      view,
      json ? undefined : names,
      say,
      fetch,
    )
  );
  try {
    const all = Promise.all(watched.map((daemon) => daemon.run(either)));
    const allRefused = Promise.all(watched.map(({ first }) => first)).then(
      (outcomes) => {
        if (outcomes.every((outcome) => outcome === "refused")) return false;
        return new Promise<never>(() => {});
      },
    );
    // A subscription waits for a reader that has stalled; the end does not.
    const ended = new Promise<true>((resolve) =>
      signal.addEventListener("abort", () => resolve(true))
    );
    return await Promise.race([
      all.then(() => true),
      ended,
      allRefused,
      output.broken,
    ]);
  } catch (error) {
    if (error instanceof OutputError && error.isClosed) return true;
    throw error;
  } finally {
    ending.abort();
    await waitAtMost(FLUSH_TIMEOUT, view.flush().catch(() => {}));
  }
}

type Outcome = "connected" | "unreachable" | "refused";

/** The names of machines from all daemons: not every daemon has a file of them. */
class NameTable {
  readonly #byDaemon = new Map<WatchedDaemon, ReadonlyMap<string, string>>();

  /** Replaces the names from a daemon. */
  set(daemon: WatchedDaemon, names: ReadonlyMap<string, string>): void {
    this.#byDaemon.set(daemon, names);
  }

  /** A machine's name from this daemon, or else from any other. */
  of(daemon: WatchedDaemon, mac: string): string | undefined {
    const own = this.#byDaemon.get(daemon)?.get(mac);
    if (own !== undefined) return own;
    for (const names of this.#byDaemon.values()) {
      const name = names.get(mac);
      if (name !== undefined) return name;
    }
    return undefined;
  }
}

/** One daemon with its machines and the state of its connection. */
class WatchedDaemon implements SubscriptionObserver, Source {
  readonly label: string;
  readonly url: string;
  clockOffset = 0;
  readonly #daemon: DaemonUrl;
  readonly #view: View;
  readonly #names: NameTable | undefined;
  readonly #say: (sentence: string) => void;
  readonly #fetch: Fetch;
  readonly #timelines = new Timelines(MAX_WATCHED_MACHINES);
  readonly #first = Promise.withResolvers<Outcome>();
  #hasState = false;
  /** The last reported outcome; `undefined` while connected. */
  #reported: Outcome | undefined;

  /** @param names `undefined` if the view shows no names. */
  constructor(
    daemon: DaemonUrl,
    label: string,
    view: View,
    names: NameTable | undefined,
    say: (sentence: string) => void,
    fetch: Fetch,
  ) {
    this.#daemon = daemon;
    this.label = label;
    this.url = daemon.text;
    this.#view = view;
    this.#names = names;
    this.#say = say;
    this.#fetch = fetch;
  }

  nameOf(mac: string): string | undefined {
    return this.#names?.of(this, mac);
  }

  /** The outcome of the first connection. */
  get first(): Promise<Outcome> {
    return this.#first.promise;
  }

  async run(signal: AbortSignal): Promise<void> {
    await new Subscription(this.#daemon, this, DEFAULT_TIMING, this.#fetch)
      .run(signal);
  }

  async connected(clockOffset: number, signal: AbortSignal): Promise<void> {
    this.#first.resolve("connected");
    this.clockOffset = clockOffset;
    if (this.#reported !== undefined) {
      this.#say(`${this.label} is connected again`);
    }
    this.#reported = undefined;
    if (this.#names === undefined) return;
    await this.#refreshNames(signal);
    if (signal.aborted) return;
    const timer = setInterval(() => this.#refreshNames(signal), NAMES_INTERVAL);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  async message(message: Message): Promise<void> {
    if (message.kind === "event") {
      const { mac, address, event } = message;
      const added = this.#timelines.add(mac, address, event);
      return await this.#view.showEvent(this, added);
    }
    const updates = this.#timelines.replace(message.machines);
    if (this.#hasState) return await this.#view.showMissed(this, updates);
    this.#hasState = true;
    if (this.#names !== undefined && updates.length === 0) {
      this.#say(`${this.label} has seen no machine yet`);
    }
    await this.#view.showState(this, updates);
  }

  unreachable(reason: string): void {
    this.#first.resolve("unreachable");
    this.#reportOnce(
      "unreachable",
      `${this.label} is unreachable: ${reason}; retrying`,
    );
  }

  refused(reason: string): void {
    this.#first.resolve("refused");
    this.#reportOnce("refused", `${this.label} cannot be watched: ${reason}`);
  }

  /** Reports an outcome when it changes, not on every retry. */
  #reportOnce(outcome: Outcome, sentence: string): void {
    if (this.#reported === outcome) return;
    this.#reported = outcome;
    this.#say(sentence);
  }

  async #refreshNames(signal: AbortSignal): Promise<void> {
    const url = this.#daemon.names;
    const names = url && await fetchNames(url, signal, this.#fetch);
    if (names !== undefined) this.#names?.set(this, names);
  }
}
