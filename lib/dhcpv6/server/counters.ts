/**
 * What became of the messages, in numbers.
 *
 * @module
 */

import { Histogram } from "../../telemetry/metrics.ts";
import { DROP_REASONS, type DropReason } from "../wire/constants.ts";

/** Seconds of the classes of answer times. */
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

/** Counts since the start. */
export class Dhcpv6Counters {
  /** Messages read, by the client's message type (0: none could be read). */
  readonly received: Float64Array = new Float64Array(256);
  /** Answers sent, by the type of the message that they answer. */
  readonly answered: Float64Array = new Float64Array(256);
  /** Messages without an answer, by reason. */
  readonly dropped: Record<DropReason, number> = Object.fromEntries(
    DROP_REASONS.map((reason) => [reason, 0]),
  ) as Record<DropReason, number>;
  /** How long answers took, from a message being read to its answer being sent. */
  readonly answerTime: Histogram = new Histogram(ANSWER_TIMES);

  /** All messages read. */
  get totalReceived(): number {
    return sum(this.received);
  }

  /** All answers sent. */
  get totalAnswered(): number {
    return sum(this.answered);
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0);
}
