/**
 * Pushes metrics and events to an OTLP collector.
 *
 * Events are read from the event history when a request is written: while the
 * collector is unreachable, no event is held anywhere else.
 *
 * @module
 */

import { MAX_OTLP_BATCH } from "../../overload/limits.ts";
import type { Log } from "../log.ts";
import type { EventHistory } from "../../machines/event_history.ts";
import type { MachineWriter } from "../../machines/json.ts";
import type { Names } from "../../machines/names_file.ts";
import type { Fetch } from "../../net/trusting_fetch.ts";
import type { Metric } from "../metrics.ts";
import { type CooperativeScheduler, SLICE } from "../../overload/scheduler.ts";
import { Backoff, Pause, waitAtMost } from "../../overload/timeout.ts";
import { CollectorLog } from "./collector_log.ts";
import {
  type LogRecord,
  logRecord,
  type OtlpMetric,
  otlpMetric,
  type Resource,
  resourceOf,
} from "./encode.ts";
import type { CollectorHeader } from "./headers.ts";
import { type Outcome, post } from "./post.ts";
import {
  type OtlpEncoding,
  type RequestBody,
  type RequestWriter,
  requestWriter,
  type Signal,
} from "./request.ts";

/** Where signals are pushed, and how. */
export interface CollectorOptions {
  /** The base URL of both signals; `v1/metrics` and `v1/logs` are appended. */
  readonly endpoint?: URL;
  /** The whole URL of metrics, which then do not go to the base URL. */
  readonly metricsEndpoint?: URL;
  /** The whole URL of events. */
  readonly logsEndpoint?: URL;
  readonly encoding: OtlpEncoding;
  readonly headers: readonly CollectorHeader[];
}

/** Milliseconds that requests take to end once they are aborted. */
const ABORT_TIME = 200;

/** What is pushed, and where. */
export interface ExporterOptions {
  readonly collector: CollectorOptions;
  readonly fetch?: Fetch;
  /** Reads the file of a header. */
  readonly readFile: (path: string) => Promise<string>;
  /** Reads again which certificates are trusted. Is never rejected. */
  readonly reloadTrust?: () => Promise<void>;
  /** The prefix of event ids of this run. */
  readonly run: string;
  readonly interfaceName: string;
  /** The base address of the interface's own subnet. */
  readonly baseAddress: string;
  readonly events: EventHistory;
  readonly writer: Pick<MachineWriter, "address">;
  readonly names: Pick<Names, "of">;
  readonly metrics: () => Iterable<Metric>;
  /** Requests are written in its slices. */
  readonly scheduler: CooperativeScheduler;
  readonly log: Log;
}

/** Times, all in milliseconds. */
export interface ExporterTimingOptions {
  /** Between two pushes of metrics. */
  readonly metricsInterval: number;
  /** How long events are batched, unless a batch is full before. */
  readonly batchDelay: number;
  /** For a whole request. */
  readonly requestTimeout: number;
  /** Between the first failure and the retry; doubled after each. */
  readonly minBackoff: number;
  readonly maxBackoff: number;
  /** For what is left when the daemon stops. */
  readonly stopTimeout: number;
  /**
   * Until a signal is tried again that the collector does not have; doubled each
   * time. A proxy in front of a collector that starts lacks it for a moment.
   */
  readonly minUnsupportedPause: number;
  readonly maxUnsupportedPause: number;
}

/** The defaults; tests use shorter ones. */
export const TIMING: ExporterTimingOptions = {
  metricsInterval: 10_000,
  batchDelay: 1000,
  requestTimeout: 10_000,
  minBackoff: 1000,
  maxBackoff: 30_000,
  stopTimeout: 1000,
  minUnsupportedPause: 2 * 60_000,
  maxUnsupportedPause: 60 * 60_000,
};

/** How many requests had which outcome. */
type Requests = Record<Outcome["kind"], number>;

/** Events in one request. */
interface Batch {
  readonly body: RequestBody;
  readonly count: number;
}

/** Statuses of a server that has nothing at a signal's path. */
const NOT_THERE = new Set([404, 405, 501]);

/** Statuses of a server that cannot make sense of a request. */
const BAD_REQUEST = new Set([400, 415, 422]);

/** Bad requests in a row that say that a signal is not supported. */
const MAX_BAD_REQUESTS = 5;

const OTHER: Readonly<Record<Signal, Signal>> = {
  metrics: "logs",
  logs: "metrics",
};

/** Statuses of a server that does not accept the headers. */
const UNAUTHORIZED = new Set([401, 403]);

/** Pushes metrics at an interval and events as they happen. */
export class OtlpExporter {
  /** Requests by signal and outcome. A failed one is retried, a refused one not. */
  readonly requests: Readonly<Record<Signal, Requests>> = {
    metrics: { delivered: 0, failed: 0, refused: 0 },
    logs: { delivered: 0, failed: 0, refused: 0 },
  };
  /** Events that the collector has accepted. */
  deliveredEvents = 0;

  readonly #options: ExporterOptions;
  readonly #timing: ExporterTimingOptions;
  readonly #resource: Resource;
  /** Where each signal is pushed; `undefined`: it is not. */
  readonly #urls: Readonly<Record<Signal, URL | undefined>>;
  /** One and the same if both signals go to one collector. */
  readonly #collectorLogs: Readonly<Record<Signal, CollectorLog>>;
  readonly #backoffs: Readonly<Record<Signal, Backoff>>;
  /** The same while the collector does not have a signal. */
  readonly #unsupported: Readonly<Record<Signal, Backoff>>;
  /** Ended by the next event. */
  readonly #idle = new Pause();
  /** Ended by a full batch. */
  readonly #batching = new Pause();
  /** Until the next metrics are due, or the retry of events. */
  readonly #pauses: Readonly<Record<Signal, Pause>> = {
    metrics: new Pause(),
    logs: new Pause(),
  };
  /** The requests in flight. */
  readonly #open = new Set<AbortController>();
  /** When the counters started, in microseconds since the Unix epoch. */
  readonly #startedAt = Date.now() * 1000;
  /** The number of the last event read from the history, or lost. */
  #read: number;
  /** Events in the request that has no response yet. */
  #unanswered = 0;
  #lostEvents = 0;
  #refusedEvents = 0;
  /** Whether the collector has taken anything of a signal. */
  readonly #isAccepted: Record<Signal, boolean> = {
    metrics: false,
    logs: false,
  };
  /** Requests in a row that the collector could make no sense of. */
  readonly #badRequests: Record<Signal, number> = { metrics: 0, logs: 0 };
  /** Whether the collector has no logs, so that events are not pushed now. */
  #areEventsPaused = false;
  /** When `stop` gives up, in milliseconds of the monotonic clock. */
  #deadline = Infinity;
  #running: Promise<unknown> | undefined;
  /** The only reload in progress. */
  #reloading: Promise<void> | undefined;

  constructor(
    options: ExporterOptions,
    timing: ExporterTimingOptions = TIMING,
  ) {
    this.#options = options;
    this.#timing = timing;
    this.#resource = resourceOf(options);
    const { collector, log } = options;
    this.#urls = urlsOf(collector);
    this.#collectorLogs = collectorLogsOf(collector, log);
    this.#backoffs = backoffs(timing.minBackoff, timing.maxBackoff);
    this.#unsupported = backoffs(
      timing.minUnsupportedPause,
      timing.maxUnsupportedPause,
    );
    this.#read = options.events.next - 1;
  }

  /** Events that the collector has refused for good. */
  get refusedEvents(): number {
    return this.#refusedEvents +
      (this.#areEventsPaused ? this.#unread - this.#evicted : 0);
  }

  /** Events that the collector has not accepted or refused yet. */
  get waitingEvents(): number {
    if (this.#urls.logs === undefined || this.#areEventsPaused) return 0;
    const { first, next } = this.#options.events;
    return next - 1 - Math.max(this.#read, first - 1) + this.#unanswered;
  }

  /** Events evicted from the history before they were read. */
  get lostEvents(): number {
    if (this.#urls.logs === undefined) return 0;
    return this.#lostEvents + this.#evicted;
  }

  /** Starts to push. */
  start(): void {
    this.#running ??= Promise.all([this.#pushMetrics(), this.#pushEvents()]);
  }

  /** Call it when an event was added to the history. */
  notify(): void {
    this.#idle.end();
    if (this.#unread >= MAX_OTLP_BATCH) this.#batching.end();
  }

  /** Reads certificates and headers again. One call waits for another one. */
  reload(): Promise<void> {
    return this.#reloading ??= this.#reload().finally(() =>
      this.#reloading = undefined
    );
  }

  async #reload(): Promise<void> {
    await this.#options.reloadTrust?.();
    await this.#reloadHeaders(
      this.#urls.logs === undefined ? "metrics" : "logs",
    );
  }

  /** Pushes what is left, at most for `stopTimeout`. */
  async stop(): Promise<void> {
    const { stopTimeout } = this.#timing;
    this.#deadline = performance.now() + stopTimeout;
    for (const pause of [this.#idle, this.#batching]) pause.end();
    for (const pause of Object.values(this.#pauses)) pause.end();
    const timer = setTimeout(() => {
      for (const controller of this.#open) controller.abort();
    }, stopTimeout);
    // It may wait for the file of a header.
    await waitAtMost(stopTimeout + ABORT_TIME, this.#running);
    clearTimeout(timer);
    this.#collectorLogs.logs.ended(this.waitingEvents);
  }

  get #isStopping(): boolean {
    return this.#deadline !== Infinity;
  }

  get #unread(): number {
    return this.#options.events.next - 1 - this.#read;
  }

  /** Unread events that the history has evicted. */
  get #evicted(): number {
    return Math.max(0, this.#options.events.first - 1 - this.#read);
  }

  async #pushMetrics(): Promise<void> {
    if (this.#urls.metrics === undefined) return;
    for (let isLast = false; !isLast;) {
      isLast = this.#isStopping;
      const start = performance.now();
      const body = await this.#write("metrics", this.#metrics());
      const outcome = await this.#post("metrics", body);
      if (this.#isStopping) continue;
      if (this.#lackOf("metrics", outcome, body) !== undefined) {
        await this.#pauses.metrics.wait(this.#unsupported.metrics.next());
        if (this.#isStopping) return;
        continue;
      }
      // A failed request is not repeated: the next one has newer values.
      await this.#pauses.metrics.wait(
        outcome.kind === "failed"
          ? this.#backoffs.metrics.next(outcome.retryAfter)
          : Math.max(
            0,
            this.#timing.metricsInterval - (performance.now() - start),
          ),
      );
    }
  }

  *#metrics(): Generator<OtlpMetric> {
    const now = Date.now() * 1000;
    for (const metric of this.#options.metrics()) {
      const written = otlpMetric(metric, this.#startedAt, now);
      if (written !== undefined) yield written;
    }
  }

  async #pushEvents(): Promise<void> {
    if (this.#urls.logs === undefined) return;
    while (true) {
      if (this.#unread === 0 && !this.#isStopping) await this.#idle.wait();
      if (this.#unread < MAX_OTLP_BATCH && !this.#isStopping) {
        await this.#batching.wait(this.#timing.batchDelay);
      }
      if (this.#unread === 0) {
        if (this.#isStopping) return;
        continue;
      }
      const isDelivered = await this.#deliver(await this.#nextBatch());
      if (!isDelivered) return;
    }
  }

  /** Reads the next events and writes their request. */
  async #nextBatch(): Promise<Batch> {
    const body = await this.#write("logs", this.#records());
    return { body, count: this.#unanswered };
  }

  *#records(): Generator<LogRecord> {
    const { events, writer, names, run } = this.#options;
    while (this.#unanswered < MAX_OTLP_BATCH) {
      // The history may evict events between two slices.
      const evicted = this.#evicted;
      if (evicted > 0) {
        this.#read += evicted;
        this.#lostEvents += evicted;
        this.#collectorLogs.logs.lost(evicted);
      }
      if (this.#unread === 0) return;
      const number = ++this.#read;
      this.#unanswered++;
      const event = events.at(number);
      yield logRecord(event, {
        id: `${run}-${number}`,
        address: writer.address(event.mac, event.subnetIndex),
        name: names.of(event.mac),
      });
    }
  }

  /**
   * Sends a batch until it is accepted or refused. Returns false if the daemon
   * stops before.
   */
  async #deliver({ body, count }: Batch): Promise<boolean> {
    while (true) {
      const outcome = await this.#post("logs", body);
      if (outcome.kind !== "failed") {
        const refused = outcome.kind === "refused"
          ? count
          : Math.min(count, outcome.rejected);
        this.#refusedEvents += refused;
        this.deliveredEvents += count - refused;
        this.#unanswered -= count;
        if (this.#lackOf("logs", outcome, body) !== undefined) {
          await this.#pauseEvents();
        }
        return true;
      }
      if (this.#isStopping) return false;
      await this.#pauses.logs.wait(
        this.#backoffs.logs.next(outcome.retryAfter),
      );
    }
  }

  /**
   * Pushes no events for a while. Those that happen meanwhile are refused: the
   * collector has no place for them.
   */
  async #pauseEvents(): Promise<void> {
    this.#areEventsPaused = true;
    await this.#pauses.logs.wait(this.#unsupported.logs.next());
    this.#areEventsPaused = false;
    const evicted = this.#evicted;
    this.#lostEvents += evicted;
    this.#refusedEvents += this.#unread - evicted;
    this.#read += this.#unread;
  }

  /**
   * Why a collector does not have a signal of which it never took anything;
   * `undefined` if it may have it.
   */
  #lackOf(
    signal: Signal,
    outcome: Outcome,
    { count }: RequestBody,
  ): string | undefined {
    if (this.#isAccepted[signal]) return undefined;
    if (outcome.kind === "refused") {
      // One bad request says little; if the collector takes the other signal in
      // the same encoding, several say that it has no place for this one.
      return NOT_THERE.has(outcome.status) ||
          this.#badRequests[signal] >= MAX_BAD_REQUESTS &&
            this.#isAccepted[OTHER[signal]]
        ? outcome.reason
        : undefined;
    }
    return outcome.kind === "delivered" && count > 0 &&
        outcome.rejected >= count
      ? `it rejects all of them${outcome.message && `, ${outcome.message}`}`
      : undefined;
  }

  /** A request, written in slices. */
  async #write(
    signal: Signal,
    items: Iterator<LogRecord | OtlpMetric>,
  ): Promise<RequestBody> {
    const { collector, scheduler } = this.#options;
    const writer = requestWriter(collector.encoding, signal, this.#resource);
    while (!await scheduler.run(() => addSlice(writer, items)));
    return writer.finish();
  }

  /** Sends a request, again if a header's file has another value by now. */
  async #post(signal: Signal, body: RequestBody): Promise<Outcome> {
    let outcome = await this.#postOnce(signal, body);
    const isUnauthorized = outcome.kind === "refused" &&
      UNAUTHORIZED.has(outcome.status);
    if (isUnauthorized && await this.#reloadHeaders(signal)) {
      this.requests[signal].failed++;
      outcome = await this.#postOnce(signal, body);
    }
    this.requests[signal][outcome.kind]++;
    const isBad = outcome.kind === "refused" && BAD_REQUEST.has(outcome.status);
    this.#badRequests[signal] = isBad ? this.#badRequests[signal] + 1 : 0;
    this.#report(signal, outcome, body);
    return outcome;
  }

  /** Reads the files with headers again; whether any value has changed. */
  async #reloadHeaders(signal: Signal): Promise<boolean> {
    const { collector, readFile } = this.#options;
    let hasChanged = false;
    for (const header of collector.headers) {
      if (header.file === undefined) continue;
      try {
        const content = await readFile(header.file);
        if (header.take(content)) hasChanged = true;
      } catch (error) {
        this.#collectorLogs[signal].headerUnreadable(
          header.name,
          error as Error,
        );
      }
    }
    return hasChanged;
  }

  async #postOnce(signal: Signal, body: RequestBody): Promise<Outcome> {
    const controller = new AbortController();
    const timer = setTimeout(
      () => controller.abort(),
      Math.max(
        0,
        Math.min(
          this.#timing.requestTimeout,
          this.#deadline - performance.now(),
        ),
      ),
    );
    this.#open.add(controller);
    const { collector, fetch } = this.#options;
    const outcome = await post(
      this.#urls[signal]!,
      body,
      controller.signal,
      { headers: collector.headers, fetch },
    );
    clearTimeout(timer);
    this.#open.delete(controller);
    return outcome;
  }

  #report(signal: Signal, outcome: Outcome, body: RequestBody): void {
    const log = this.#collectorLogs[signal];
    if (outcome.kind === "failed") return log.failed(signal, outcome.reason);
    this.#backoffs[signal].reset();
    log.answered(signal);
    const lack = this.#lackOf(signal, outcome, body);
    if (lack !== undefined) {
      log.unsupported(signal, lack);
    } else if (outcome.kind === "refused") {
      log.refused(signal, outcome.reason);
    } else if (outcome.rejected > 0 || outcome.message !== "") {
      log.warned(signal, outcome.rejected, outcome.message);
    }
    if (outcome.kind === "delivered" && outcome.rejected < body.count) {
      this.#isAccepted[signal] = true;
    }
  }
}

function backoffs(first: number, longest: number): Record<Signal, Backoff> {
  return {
    metrics: new Backoff(first, longest),
    logs: new Backoff(first, longest),
  };
}

/** Adds items for one slice; whether there are no more. */
function addSlice(
  writer: RequestWriter,
  items: Iterator<LogRecord | OtlpMetric>,
): boolean {
  const end = performance.now() + SLICE;
  do {
    const { value, done } = items.next();
    if (done) return true;
    writer.add(value);
  } while (performance.now() < end);
  return false;
}

/** Where the signals are pushed. */
function urlsOf(
  { endpoint, metricsEndpoint, logsEndpoint }: CollectorOptions,
): Record<Signal, URL | undefined> {
  return {
    metrics: metricsEndpoint === undefined
      ? endpoint && urlOf(endpoint, "metrics")
      : ofSignal(metricsEndpoint, "metrics"),
    logs: logsEndpoint === undefined
      ? endpoint && urlOf(endpoint, "logs")
      : ofSignal(logsEndpoint, "logs"),
  };
}

/** A signal's own endpoint is the whole URL, unless it has no path. */
function ofSignal(url: URL, signal: Signal): URL {
  return url.pathname === "/" ? urlOf(url, signal) : url;
}

function collectorLogsOf(
  { endpoint, metricsEndpoint, logsEndpoint }: CollectorOptions,
  log: Log,
): Record<Signal, CollectorLog> {
  const shared = endpoint && new CollectorLog(log, endpoint);
  // The log of a signal that is not pushed is never written to.
  const any = (endpoint ?? metricsEndpoint ?? logsEndpoint)!;
  const ofUrl = (url: URL | undefined) =>
    url === undefined
      ? shared ?? new CollectorLog(log, any)
      : new CollectorLog(log, url);
  return { metrics: ofUrl(metricsEndpoint), logs: ofUrl(logsEndpoint) };
}

/** Where a signal is pushed to, below a base URL. */
function urlOf(endpoint: URL, signal: Signal): URL {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/${signal}`;
  return url;
}
