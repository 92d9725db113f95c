/**
 * What the log says of a collector: nothing while all is well.
 *
 * @module
 */

import { type Log } from "../log.ts";
import { escapeControls } from "../../net/escape_controls.ts";

/** What is told to a collector. */
export type Signal = "metrics" | "logs";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** What an operator calls each. */
const WORDS: Record<Signal, string> = { metrics: "metrics", logs: "events" };

/** Says once what would be said with every request. */
export class CollectorLog {
  readonly #log: Log;
  readonly #endpoint: string;
  readonly #failing = new Set<Signal>();
  /** When each kind of refusal was told, in milliseconds. */
  readonly #toldAt = new Map<string, number>();
  /** Events that were lost and not told of. */
  #lost = 0;
  #lossToldAt = -Infinity;

  constructor(log: Log, endpoint: URL) {
    this.#log = log;
    // A name and a password in it are nobody else's business.
    this.#endpoint = `${endpoint.protocol}//${endpoint.host}${
      endpoint.pathname.replace(/\/$/, "")
    }`;
  }

  /** It could not be reached, or asks to be left alone. */
  failed(signal: Signal, reason: string): void {
    const isNews = this.#failing.size === 0;
    this.#failing.add(signal);
    if (!isNews) return;
    this.#log.warning(
      "collector_away",
      `the collector at ${this.#endpoint} does not take ${WORDS[signal]}: ${
        escapeControls(reason)
      }; trying again, events wait while max-events lasts`,
      { endpoint: this.#endpoint, signal, reason: escapeControls(reason) },
    );
  }

  /** It answers, whatever it says. */
  answered(signal: Signal): void {
    if (!this.#failing.delete(signal) || this.#failing.size > 0) return;
    this.#log.info(
      "collector_back",
      `the collector at ${this.#endpoint} answers again`,
      { endpoint: this.#endpoint },
    );
  }

  /** It will never take a request: that is dropped. */
  refused(signal: Signal, reason: string): void {
    // Its words may differ each time; the status before them does not.
    if (!this.#isNews(`${signal} ${reason.split(",")[0]}`)) return;
    this.#log.error(
      "collector_refuses",
      `the collector at ${this.#endpoint} refuses ${WORDS[signal]}: ${
        escapeControls(reason)
      }; what it refuses is dropped`,
      { endpoint: this.#endpoint, signal, reason: escapeControls(reason) },
    );
  }

  /** It has taken a request, but has something to say. */
  warned(signal: Signal, rejected: number, message: string): void {
    const kind = rejected > 0 ? "rejects" : "warns";
    if (!this.#isNews(`${signal} ${kind}`)) return;
    this.#log.warning(
      `collector_${kind}`,
      rejected > 0
        ? `the collector at ${this.#endpoint} drops some of the ${
          WORDS[signal]
        }, ${rejected} of the last request: ${escapeControls(message)}`
        : `the collector at ${this.#endpoint} says of ${WORDS[signal]}: ${
          escapeControls(message)
        }`,
      {
        endpoint: this.#endpoint,
        signal,
        rejected,
        reason: escapeControls(message),
      },
    );
  }

  /** Events were forgotten before the collector could take them. */
  lost(count: number): void {
    this.#lost += count;
    const now = performance.now();
    if (now - this.#lossToldAt < MINUTE) return;
    this.#lossToldAt = now;
    this.#sayLost("more came than max-events while it took none");
  }

  /** The daemon ends; so many events did not get through. */
  ended(unsent: number): void {
    this.#lost += unsent;
    this.#sayLost("it took none before the end");
  }

  #sayLost(why: string): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost === 0) return;
    this.#log.warning(
      "events_lost",
      `${lost} events have not reached the collector at ${this.#endpoint}: ${why}`,
      { endpoint: this.#endpoint, events: lost },
    );
  }

  /** Whether nothing of this kind was told within the hour. */
  #isNews(kind: string): boolean {
    const now = performance.now();
    if (now - (this.#toldAt.get(kind) ?? -Infinity) < HOUR) return false;
    this.#toldAt.set(kind, now);
    return true;
  }
}
