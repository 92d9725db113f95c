/**
 * Detects a flood of DHCPv6 messages and tells the operator what it costs.
 *
 * @module
 */

import type { Log } from "../telemetry/log.ts";
import { MINUTE } from "../telemetry/throttle.ts";

/** Messages between two checks that no lab sends, only a flood. */
const MIN_FLOOD_MESSAGES = 100;

/** Compares counters with what they were at the last check. */
export class FloodMonitor {
  readonly #log: Log;
  #unanswered = 0;
  #notRemembered = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Logs a flood, once a minute. Call it several times a second.
   *
   * @param unanswered Messages dropped because a send queue was full, in total.
   * @param notRemembered New machines over the rate limit, in total.
   */
  check(unanswered: number, notRemembered: number): void {
    const floods = [
      unanswered - this.#unanswered >= MIN_FLOOD_MESSAGES &&
      "new sources are answered only when they retransmit",
      notRemembered - this.#notRemembered >= MIN_FLOOD_MESSAGES &&
      "not all new machines are remembered",
    ].filter((text) => text !== false);
    this.#unanswered = unanswered;
    this.#notRemembered = notRemembered;
    if (floods.length === 0) return;
    this.#log.warning(
      "flood",
      `DHCPv6 flood: ${floods.join(", and ")}`,
      { unanswered, not_remembered: notRemembered },
      { every: MINUTE },
    );
  }
}
