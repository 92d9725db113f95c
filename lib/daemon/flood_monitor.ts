/**
 * Detects a flood of DHCPv6 messages and tells the operator what it costs.
 *
 * @module
 */

import type { Log } from "../telemetry/log.ts";

/** Messages between two checks that no lab sends, only a flood. */
const MIN_FLOOD_MESSAGES = 100;

const MINUTE = 60_000;

/** What the monitor works with: counters that only rise. */
export interface FloodMonitorOptions {
  /** Messages dropped because a send queue was full. */
  readonly unanswered: () => number;
  /** New machines that were not remembered because of the rate limit. */
  readonly notRemembered: () => number;
  readonly log: Log;
}

/** Compares counters with what they were at the last check. */
export class FloodMonitor {
  readonly #options: FloodMonitorOptions;
  #unanswered = 0;
  #notRemembered = 0;

  constructor(options: FloodMonitorOptions) {
    this.#options = options;
  }

  /** Logs a flood, once a minute. Call it several times a second. */
  check(): void {
    const unanswered = this.#options.unanswered();
    const notRemembered = this.#options.notRemembered();
    const isFlood = unanswered - this.#unanswered >= MIN_FLOOD_MESSAGES ||
      notRemembered - this.#notRemembered >= MIN_FLOOD_MESSAGES;
    this.#unanswered = unanswered;
    this.#notRemembered = notRemembered;
    if (!isFlood) return;
    this.#options.log.warning(
      "flood",
      "DHCPv6 flood: new sources are answered only when they retransmit, and not all new machines are remembered",
      { unanswered, not_remembered: notRemembered },
      { every: MINUTE },
    );
  }
}
