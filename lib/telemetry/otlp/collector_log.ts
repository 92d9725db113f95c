/**
 * Log lines about an OTLP collector: none while it accepts everything.
 *
 * @module
 */

import { type Log } from "../log.ts";
import { escapeControls } from "../../../assets/shared/escape_controls.js";
import type { Signal } from "./request.ts";
import { MINUTE } from "../throttle.ts";

const HOUR = 60 * MINUTE;

/** The signals in the words of the log. */
const WORDS: Record<Signal, string> = { metrics: "metrics", logs: "events" };

/** Logs outcomes that repeat with every request, once each. */
export class CollectorLog {
  readonly #log: Log;
  readonly #endpoint: string;
  readonly #failing = new Set<Signal>();
  /** Lost events that are not in the log yet. */
  #lost = 0;

  constructor(log: Log, endpoint: URL) {
    this.#log = log;
    // Without user name and password, which must not be in a log.
    this.#endpoint = `${endpoint.protocol}//${endpoint.host}${
      endpoint.pathname.replace(/\/$/, "")
    }`;
  }

  /** A request failed and is retried. */
  failed(signal: Signal, reason: string): void {
    const wasFailing = this.#failing.size > 0;
    this.#failing.add(signal);
    if (wasFailing) return;
    this.#log.warning(
      "collector_away",
      `cannot push ${WORDS[signal]} to the collector at ${this.#endpoint}: ${
        escapeControls(reason)
      }; retrying, up to --max-events events are kept`,
      { endpoint: this.#endpoint, signal, reason: escapeControls(reason) },
    );
  }

  /** A request got a response, whatever its status. */
  answered(signal: Signal): void {
    if (!this.#failing.delete(signal) || this.#failing.size > 0) return;
    this.#log.info(
      "collector_back",
      `the collector at ${this.#endpoint} is reachable again`,
      { endpoint: this.#endpoint },
    );
  }

  /** A request was refused for good and is dropped. */
  refused(signal: Signal, reason: string): void {
    // By the status alone: the text behind it may differ each time.
    const key = `${signal} ${reason.split(",")[0]}`;
    this.#log.error(
      "collector_refuses",
      `the collector at ${this.#endpoint} refuses ${WORDS[signal]}: ${
        escapeControls(reason)
      }; dropped`,
      { endpoint: this.#endpoint, signal, reason: escapeControls(reason) },
      { key, every: HOUR },
    );
  }

  /** The collector has no such signal and is not asked for a while. */
  unsupported(signal: Signal, reason: string): void {
    this.#log.warning(
      "collector_lacks_signal",
      `the collector at ${this.#endpoint} takes no ${WORDS[signal]}: ${
        escapeControls(reason)
      }; not pushed, retrying less and less often (--otlp-${signal}-endpoint sets another)`,
      { endpoint: this.#endpoint, signal, reason: escapeControls(reason) },
      { key: signal, every: Infinity },
    );
  }

  /** A file with a header cannot be read again. */
  headerUnreadable(name: string, error: Error): void {
    this.#log.error(
      "collector_header_unreadable",
      `--otlp-header ${escapeControls(name)}: ${
        escapeControls(error.message)
      }; keeping the value read before`,
      { header: name },
      { key: name, every: HOUR },
    );
  }

  /** A request was accepted with a warning, or in part. */
  warned(signal: Signal, rejected: number, message: string): void {
    const kind = rejected > 0 ? "rejects" : "warns";
    this.#log.warning(
      `collector_${kind}`,
      rejected > 0
        ? `the collector at ${this.#endpoint} rejected ${rejected} of the last ${
          WORDS[signal]
        }: ${escapeControls(message)}`
        : `the collector at ${this.#endpoint} warns about ${WORDS[signal]}: ${
          escapeControls(message)
        }`,
      {
        endpoint: this.#endpoint,
        signal,
        rejected,
        reason: escapeControls(message),
      },
      { key: signal, every: HOUR },
    );
  }

  /** Events were evicted before the collector accepted them. */
  lost(count: number): void {
    this.#lost += count;
    if (!this.#log.isDue("events_lost", { every: MINUTE })) return;
    this.#logLost("more than --max-events while it was unreachable");
  }

  /** The daemon stops with this many events not accepted. */
  ended(unsent: number): void {
    this.#lost += unsent;
    this.#logLost("it was unreachable until the daemon stopped");
  }

  #logLost(why: string): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost === 0) return;
    this.#log.warning(
      "events_lost",
      `lost ${lost} events for the collector at ${this.#endpoint}: ${why}`,
      { endpoint: this.#endpoint, events: lost },
    );
  }
}
