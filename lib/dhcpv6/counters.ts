/**
 * What became of the messages, in numbers.
 *
 * @module
 */

import { DROP_REASONS, type DropReason } from "./codes.ts";

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

  /** All messages read. */
  get receivedInAll(): number {
    return sum(this.received);
  }

  /** All answers sent. */
  get answeredInAll(): number {
    return sum(this.answered);
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0);
}
