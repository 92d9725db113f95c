/**
 * Watches daemons: follows each of them, and shows what all of them say.
 *
 * @module
 */

import { MAX_WATCHED_MACHINES } from "../overload/limits.ts";
import type { LogSink } from "../telemetry/log.ts";
import { waitAtMost } from "../overload/timeout.ts";
import { type DaemonUrl, labelsOf } from "./daemon_url.ts";
import { Follower, type FollowObserver } from "./follow.ts";
import type { Message } from "./message.ts";
import { fetchNames } from "./names.ts";
import { Output, OutputError } from "./output.ts";
import { Timelines } from "./timelines.ts";
import { JsonView, type Source, TextView, type View } from "./view.ts";

/** What is watched, and how it is shown. */
export interface WatchOptions {
  readonly daemons: readonly DaemonUrl[];
  /** For programs instead of people. */
  readonly json: boolean;
  /** Where the lines go, and whether people look at it. */
  readonly sink: LogSink;
  readonly isTerminal: boolean;
  readonly isColored: boolean;
  /** Tells a person of how daemons are reached. */
  readonly say: (sentence: string) => void;
}

/** Milliseconds between two looks at a daemon's names, which may change. */
const NAMES_INTERVAL = 60_000;

/** Milliseconds that the last lines get to be written. */
const LAST_LINES = 500;

/**
 * Watches until `signal` is given or nobody reads the lines any more.
 *
 * @returns Whether any of the daemons was worth waiting for: `false` when all of
 * them refused at the start.
 * @throws {OutputError} if lines cannot be written though somebody wants them.
 */
export async function watch(
  options: WatchOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { daemons, json, sink, isTerminal, isColored, say } = options;
  const output = new Output(sink);
  const view = json ? new JsonView(output) : new TextView(output, {
    isTerminal,
    isColored,
    labelled: daemons.length > 1,
  });
  const ending = new AbortController();
  const either = AbortSignal.any([signal, ending.signal]);
  const labels = labelsOf(daemons);
  const names = new AllNames();
  const watched = daemons.map((daemon, index) =>
    new WatchedDaemon(
      daemon,
      labels[index]!,
      view,
      json ? undefined : names,
      say,
    )
  );
  try {
    const all = Promise.all(watched.map((daemon) => daemon.run(either)));
    const hopeless = Promise.all(watched.map(({ first }) => first)).then(
      (outcomes) => {
        if (outcomes.every((outcome) => outcome === "refused")) return false;
        return new Promise<never>(() => {});
      },
    );
    // A follower whose line is not read waits for that, but who ends it does not.
    const ended = new Promise<true>((resolve) =>
      signal.addEventListener("abort", () => resolve(true))
    );
    return await Promise.race([
      all.then(() => true),
      ended,
      hopeless,
      output.broken,
    ]);
  } catch (error) {
    if (error instanceof OutputError && error.isClosed) return true;
    throw error;
  } finally {
    ending.abort();
    // Whoever has stalled is not waited for.
    await waitAtMost(LAST_LINES, view.flush().catch(() => {}));
  }
}

type Outcome = "connected" | "away" | "refused";

/** What the daemons call their machines: what one knows serves all. */
class AllNames {
  readonly #byDaemon = new Map<WatchedDaemon, ReadonlyMap<string, string>>();

  /** Takes what a daemon calls its machines now. */
  set(daemon: WatchedDaemon, names: ReadonlyMap<string, string>): void {
    this.#byDaemon.set(daemon, names);
  }

  /** What this daemon calls a machine, or else any other. */
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

/** One daemon: what is known of it, and what a person was told of it. */
class WatchedDaemon implements FollowObserver, Source {
  readonly label: string;
  readonly url: string;
  clock = 0;
  readonly #daemon: DaemonUrl;
  readonly #view: View;
  readonly #names: AllNames | undefined;
  readonly #say: (sentence: string) => void;
  readonly #timelines = new Timelines(MAX_WATCHED_MACHINES);
  readonly #first = Promise.withResolvers<Outcome>();
  #isKnown = false;
  #told: Outcome | undefined;

  /** @param names `undefined` where nobody reads names. */
  constructor(
    daemon: DaemonUrl,
    label: string,
    view: View,
    names: AllNames | undefined,
    say: (sentence: string) => void,
  ) {
    this.#daemon = daemon;
    this.label = label;
    this.url = daemon.text;
    this.#view = view;
    this.#names = names;
    this.#say = say;
  }

  nameOf(mac: string): string | undefined {
    return this.#names?.of(this, mac);
  }

  /** How the first try to reach it ended. */
  get first(): Promise<Outcome> {
    return this.#first.promise;
  }

  async run(signal: AbortSignal): Promise<void> {
    await new Follower(this.#daemon, this).run(signal);
  }

  async connected(clock: number, signal: AbortSignal): Promise<void> {
    this.#first.resolve("connected");
    this.clock = clock;
    if (this.#told !== undefined) this.#say(`${this.label} is back`);
    this.#told = undefined;
    if (this.#names === undefined) return;
    await this.#lookAtNames(signal);
    if (signal.aborted) return;
    const timer = setInterval(() => this.#lookAtNames(signal), NAMES_INTERVAL);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  async message(message: Message): Promise<void> {
    if (message.kind === "event") {
      const { mac, address, event } = message;
      const happening = this.#timelines.take(mac, address, event);
      return await this.#view.happen(this, happening);
    }
    const news = this.#timelines.replace(message.machines);
    if (this.#isKnown) return await this.#view.catchUp(this, news);
    this.#isKnown = true;
    if (this.#names !== undefined && news.length === 0) {
      this.#say(`${this.label} has seen no machine yet`);
    }
    await this.#view.begin(this, news);
  }

  away(reason: string): void {
    this.#first.resolve("away");
    this.#tell("away", `${this.label} is away: ${reason}; trying again`);
  }

  refused(reason: string): void {
    this.#first.resolve("refused");
    this.#tell("refused", `${this.label} cannot be watched: ${reason}`);
  }

  /** Says what has changed, not what goes on. */
  #tell(outcome: Outcome, sentence: string): void {
    if (this.#told === outcome) return;
    this.#told = outcome;
    this.#say(sentence);
  }

  async #lookAtNames(signal: AbortSignal): Promise<void> {
    const url = this.#daemon.names;
    const names = url && await fetchNames(url, signal);
    if (names !== undefined) this.#names?.set(this, names);
  }
}
