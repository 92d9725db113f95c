/**
 * Pushes metrics and events to an OTLP collector.
 *
 * Events are read from the registry's log when there is time for it: a
 * collector that is away costs nothing but what the log forgets meanwhile.
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

/** What is pushed, and where to. */
export interface ExporterOptions {
  /** Where the collector is; `v1/metrics` and `v1/logs` come behind it. */
  readonly endpoint: URL;
  /** What the ids of this run's events begin with. */
  readonly run: string;
  readonly interfaceName: string;
  /** The base address of the interface's own link. */
  readonly baseAddress: string;
  readonly events: EventHistory;
  readonly writer: Pick<MachineWriter, "address">;
  readonly names: Pick<Names, "of">;
  readonly metrics: () => Iterable<Metric>;
  /** In which requests are written. */
  readonly scheduler: CooperativeScheduler;
  readonly log: Log;
}

/** All in milliseconds. */
export interface ExporterTimingOptions {
  /** Between two pushes of metrics. */
  readonly metricsInterval: number;
  /** For which events are gathered, unless a batch is full before. */
  readonly gathering: number;
  /** That a request may take. */
  readonly patience: number;
  /** Between the first failure and the next try; longer after each. */
  readonly firstPause: number;
  readonly longestPause: number;
  /** That the end of the daemon may be held up. */
  readonly lastFlush: number;
}

/** What is so unless a test is in a hurry. */
export const TIMING: ExporterTimingOptions = {
  metricsInterval: 10_000,
  gathering: 1000,
  patience: 10_000,
  firstPause: 1000,
  longestPause: 30_000,
  lastFlush: 1000,
};

/** How many requests came to which end. */
type Requests = Record<Outcome["kind"], number>;

/** Events that are on their way. */
interface Batch {
  readonly body: string;
  readonly count: number;
}

/** Tells a collector how the daemon is and what happens. */
export class OtlpExporter {
  /** Requests so far. One that failed is made again, one refused is not. */
  readonly requests: Readonly<Record<Signal, Requests>> = {
    metrics: { delivered: 0, failed: 0, refused: 0 },
    logs: { delivered: 0, failed: 0, refused: 0 },
  };
  /** Events that the collector has taken. */
  deliveredEvents = 0;
  /** Events that the collector does not want. */
  refusedEvents = 0;

  readonly #options: ExporterOptions;
  readonly #timing: ExporterTimingOptions;
  readonly #resource: Resource;
  readonly #collectorLog: CollectorLog;
  readonly #backoffs: Readonly<Record<Signal, Backoff>>;
  /** Until something happens. */
  readonly #idle = new Pause();
  /** Until enough has happened. */
  readonly #gathering = new Pause();
  /** Until the next metrics are due, or events may be tried again. */
  readonly #pauses: Readonly<Record<Signal, Pause>> = {
    metrics: new Pause(),
    logs: new Pause(),
  };
  /** The requests that are being made. */
  readonly #open = new Set<AbortController>();
  /** When the metrics began to count. */
  readonly #began = Date.now() * 1000;
  /** The number of the last event that was read from the log, or was lost. */
  #read: number;
  /** Events that were read, and for which there is no answer yet. */
  #unanswered = 0;
  #lostEvents = 0;
  /** When all must be over, by the monotonic clock, once the end has begun. */
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
    const { firstPause, longestPause } = timing;
    this.#backoffs = {
      metrics: new Backoff(firstPause, longestPause),
      logs: new Backoff(firstPause, longestPause),
    };
    this.#read = options.events.next - 1;
  }

  /** Events that the collector has not answered for yet. */
  get waitingEvents(): number {
    const { first, next } = this.#options.events;
    return next - 1 - Math.max(this.#read, first - 1) + this.#unanswered;
  }

  /** Events that the log has forgotten before they were read. */
  get lostEvents(): number {
    return this.#lostEvents + this.#forgotten;
  }

  /** Begins to push. */
  start(): void {
    this.#running ??= Promise.all([this.#pushMetrics(), this.#pushEvents()]);
  }

  /** Something was added to the log of events. */
  notify(): void {
    this.#idle.end();
    if (this.#unread >= MAX_OTLP_BATCH) this.#gathering.end();
  }

  /** Tries once more to push what is left, for a moment. */
  async stop(): Promise<void> {
    const { lastFlush } = this.#timing;
    this.#deadline = performance.now() + lastFlush;
    for (const pause of [this.#idle, this.#gathering]) pause.end();
    for (const pause of Object.values(this.#pauses)) pause.end();
    const timer = setTimeout(() => {
      for (const controller of this.#open) controller.abort();
    }, lastFlush);
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

  /** How many of those not read yet the log has forgotten. */
  get #forgotten(): number {
    return Math.max(0, this.#options.events.first - 1 - this.#read);
  }

  async #pushMetrics(): Promise<void> {
    for (let isLast = false; !isLast;) {
      isLast = this.#isStopping;
      const begun = performance.now();
      const body = await this.#write(
        metricsRequest(this.#resource, this.#metrics()),
      );
      const outcome = await this.#post("metrics", body);
      if (this.#isStopping) continue;
      // What failed is not sent again: the next values say all that it did.
      await this.#pauses.metrics.wait(
        outcome.kind === "failed"
          ? this.#backoffs.metrics.next(outcome.retryAfter)
          : Math.max(
            0,
            this.#timing.metricsInterval - (performance.now() - begun),
          ),
      );
    }
  }

  *#metrics(): Generator<OtlpMetric> {
    const now = Date.now() * 1000;
    for (const metric of this.#options.metrics()) {
      const written = otlpMetric(metric, this.#began, now);
      if (written !== undefined) yield written;
    }
  }

  async #pushEvents(): Promise<void> {
    while (true) {
      if (this.#unread === 0 && !this.#isStopping) await this.#idle.wait();
      if (this.#unread < MAX_OTLP_BATCH && !this.#isStopping) {
        await this.#gathering.wait(this.#timing.gathering);
      }
      if (this.#unread === 0) {
        if (this.#isStopping) return;
        continue;
      }
      const isDone = await this.#deliver(await this.#nextBatch());
      if (!isDone) return;
    }
  }

  /** Reads and writes the events that come next. */
  async #nextBatch(): Promise<Batch> {
    const body = await this.#write(
      logsRequest(this.#resource, this.#records()),
    );
    return { body, count: this.#unanswered };
  }

  *#records(): Generator<LogRecord> {
    const { events, writer, names, run } = this.#options;
    while (this.#unanswered < MAX_OTLP_BATCH) {
      // Some may be forgotten between any two slices of this.
      const forgotten = this.#forgotten;
      if (forgotten > 0) {
        this.#read += forgotten;
        this.#lostEvents += forgotten;
        this.#collectorLog.lost(forgotten);
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
   * Sends events until they are taken or refused; whether that was before the
   * end of the daemon.
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

  /** A request as text, written while nothing else wants to be done. */
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
      Math.min(this.#timing.patience, this.#deadline - performance.now()),
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
    this.#tell(signal, outcome);
    return outcome;
  }

  #tell(signal: Signal, outcome: Outcome): void {
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
