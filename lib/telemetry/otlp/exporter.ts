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
import type { Metric } from "../metrics.ts";
import {
  type CooperativeScheduler,
  takeSlice,
} from "../../overload/scheduler.ts";
import { Backoff, Pause } from "../../overload/timeout.ts";
import { CollectorLog, type Signal } from "./collector_log.ts";
import {
  type LogRecord,
  logRecord,
  logsRequest,
  metricsRequest,
  type OtlpMetric,
  otlpMetric,
  type Resource,
  resourceOf,
} from "./encode.ts";
import { type Outcome, post } from "./post.ts";

/** What is pushed, and where. */
export interface ExporterOptions {
  /** The base URL; `v1/metrics` and `v1/logs` are appended. */
  readonly endpoint: URL;
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
}

/** The defaults; tests use shorter ones. */
export const TIMING: ExporterTimingOptions = {
  metricsInterval: 10_000,
  batchDelay: 1000,
  requestTimeout: 10_000,
  minBackoff: 1000,
  maxBackoff: 30_000,
  stopTimeout: 1000,
};

/** How many requests had which outcome. */
type Requests = Record<Outcome["kind"], number>;

/** Events in one request. */
interface Batch {
  readonly body: string;
  readonly count: number;
}

/** Pushes metrics at an interval and events as they happen. */
export class OtlpExporter {
  /** Requests by signal and outcome. A failed one is retried, a refused one not. */
  readonly requests: Readonly<Record<Signal, Requests>> = {
    metrics: { delivered: 0, failed: 0, refused: 0 },
    logs: { delivered: 0, failed: 0, refused: 0 },
  };
  /** Events that the collector has accepted. */
  deliveredEvents = 0;
  /** Events that the collector has refused for good. */
  refusedEvents = 0;

  readonly #options: ExporterOptions;
  readonly #timing: ExporterTimingOptions;
  readonly #resource: Resource;
  readonly #collectorLog: CollectorLog;
  readonly #backoffs: Readonly<Record<Signal, Backoff>>;
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
  /** When `stop` gives up, in milliseconds of the monotonic clock. */
  #deadline = Infinity;
  #running: Promise<unknown> | undefined;

  constructor(
    options: ExporterOptions,
    timing: ExporterTimingOptions = TIMING,
  ) {
    this.#options = options;
    this.#timing = timing;
    this.#resource = resourceOf(options);
    this.#collectorLog = new CollectorLog(options.log, options.endpoint);
    const { minBackoff, maxBackoff } = timing;
    this.#backoffs = {
      metrics: new Backoff(minBackoff, maxBackoff),
      logs: new Backoff(minBackoff, maxBackoff),
    };
    this.#read = options.events.next - 1;
  }

  /** Events that the collector has not accepted or refused yet. */
  get waitingEvents(): number {
    const { first, next } = this.#options.events;
    return next - 1 - Math.max(this.#read, first - 1) + this.#unanswered;
  }

  /** Events evicted from the history before they were read. */
  get lostEvents(): number {
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

  /** Pushes what is left, at most for `stopTimeout`. */
  async stop(): Promise<void> {
    const { stopTimeout } = this.#timing;
    this.#deadline = performance.now() + stopTimeout;
    for (const pause of [this.#idle, this.#batching]) pause.end();
    for (const pause of Object.values(this.#pauses)) pause.end();
    const timer = setTimeout(() => {
      for (const controller of this.#open) controller.abort();
    }, stopTimeout);
    await this.#running;
    clearTimeout(timer);
    this.#collectorLog.ended(this.waitingEvents);
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
    for (let isLast = false; !isLast;) {
      isLast = this.#isStopping;
      const start = performance.now();
      const body = await this.#write(
        metricsRequest(this.#resource, this.#metrics()),
      );
      const outcome = await this.#post("metrics", body);
      if (this.#isStopping) continue;
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
    const body = await this.#write(
      logsRequest(this.#resource, this.#records()),
    );
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
        this.#collectorLog.lost(evicted);
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
        this.refusedEvents += refused;
        this.deliveredEvents += count - refused;
        this.#unanswered -= count;
        return true;
      }
      if (this.#isStopping) return false;
      await this.#pauses.logs.wait(
        this.#backoffs.logs.next(outcome.retryAfter),
      );
    }
  }

  /** The text of a request, written in slices. */
  async #write(pieces: Iterator<string>): Promise<string> {
    let body = "";
    while (true) {
      const { text, isLast } = await this.#options.scheduler.run(() =>
        takeSlice(pieces)
      );
      body += text;
      if (isLast) return body;
    }
  }

  async #post(signal: Signal, body: string): Promise<Outcome> {
    const controller = new AbortController();
    const timer = setTimeout(
      () => controller.abort(),
      Math.min(this.#timing.requestTimeout, this.#deadline - performance.now()),
    );
    this.#open.add(controller);
    const outcome = await post(
      urlOf(this.#options.endpoint, signal),
      body,
      controller.signal,
    );
    clearTimeout(timer);
    this.#open.delete(controller);
    this.requests[signal][outcome.kind]++;
    this.#report(signal, outcome);
    return outcome;
  }

  #report(signal: Signal, outcome: Outcome): void {
    if (outcome.kind === "failed") {
      return this.#collectorLog.failed(signal, outcome.reason);
    }
    this.#backoffs[signal].reset();
    this.#collectorLog.answered(signal);
    if (outcome.kind === "refused") {
      this.#collectorLog.refused(signal, outcome.reason);
    } else if (outcome.rejected > 0 || outcome.message !== "") {
      this.#collectorLog.warned(signal, outcome.rejected, outcome.message);
    }
  }
}

/** Where a signal is pushed to. */
function urlOf(endpoint: URL, signal: Signal): URL {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/${signal}`;
  return url;
}
