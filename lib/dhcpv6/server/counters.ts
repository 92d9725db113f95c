/**
 * Counters of messages and replies.
 *
 * @module
 */

import { Histogram } from "../../telemetry/metrics.ts";
import {
  DROP_REASONS,
  type DropReason,
  OPTION_LABELS,
} from "../wire/constants.ts";
import type { MalformedOptions } from "../wire/packet.ts";

/** Upper bounds of the buckets of reply times, in seconds. */
const ANSWER_TIMES = [
  0.000_01,
  0.000_025,
  0.000_05,
  0.000_1,
  0.000_25,
  0.000_5,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.1,
  1,
];

/** Counters since the daemon has started. */
export class Dhcpv6Counters {
  /** Messages received, by the client's message type; 0 if it is unreadable. */
  readonly received: Float64Array = new Float64Array(256);
  /** Replies sent, by the type of the message that they answer. */
  readonly answered: Float64Array = new Float64Array(256);
  /** Messages dropped, by reason. */
  readonly dropped: Record<DropReason, number> = Object.fromEntries(
    DROP_REASONS.map((reason) => [reason, 0]),
  ) as Record<DropReason, number>;
  /** Malformed options ignored, by the index of their name. */
  readonly malformed: Float64Array = new Float64Array(OPTION_LABELS.length);
  /** Seconds from the receipt of a message until its reply is sent. */
  readonly answerTime: Histogram = new Histogram(ANSWER_TIMES);

  /** Adds the malformed options of a message. */
  addMalformed({ counts, total }: MalformedOptions): void {
    if (total === 0) return;
    for (let label = 0; label < counts.length; label++) {
      this.malformed[label]! += counts[label]!;
    }
  }

  /** All messages received. */
  get totalReceived(): number {
    return sum(this.received);
  }

  /** All replies sent. */
  get totalAnswered(): number {
    return sum(this.answered);
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0);
}
