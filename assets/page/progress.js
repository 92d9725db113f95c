/**
 * How far a machine is, and whether it is stuck.
 *
 * @module
 */

import { LAST_STAGE, stageWords } from "../shared/boot_stages.js";
import { transferIn } from "../shared/format.js";

/** @import { Step } from "../shared/boots.js" */

/** @typedef {Pick<Step, "event" | "at" | "detail">} Stage A machine's stage. */

/** @typedef {{kind: "up" | "booting" | "stuck" | "offline", words: string, elapsed: number, usual: number | undefined}} Progress */

/** Samples from which the usual duration of a stage is known. */
const MIN_SAMPLES = 3;

/** Durations of one stage that are remembered. */
const MAX_SAMPLES = 500;

/** A stage is stuck after this many times its usual duration. */
const STUCK_FACTOR = 3;

/** Milliseconds in a stage below which a machine is never stuck. */
const MIN_STUCK = 15_000;

/** Milliseconds after which a stage without a usual duration is stuck. */
const STUCK_UNKNOWN = 120_000;

/** Milliseconds without progress after which a transfer has stalled. */
const TRANSFER_TIMEOUT = 60_000;

/** The usual duration of each stage: the median of all durations seen. */
export class UsualDurations {
  /** @type {Map<string, {samples: number[], next: number, median: number | undefined}>} */
  #stages = new Map();

  /**
   * @param {string} stage
   * @param {number} milliseconds
   */
  add(stage, milliseconds) {
    let known = this.#stages.get(stage);
    if (known === undefined) {
      known = { samples: [], next: 0, median: undefined };
      this.#stages.set(stage, known);
    }
    known.samples[known.next] = milliseconds;
    known.next = (known.next + 1) % MAX_SAMPLES;
    known.median = undefined;
  }

  /**
   * Milliseconds; `undefined` if there are too few samples.
   *
   * @param {string} stage
   * @returns {number | undefined}
   */
  of(stage) {
    const known = this.#stages.get(stage);
    if (known === undefined || known.samples.length < MIN_SAMPLES) {
      return undefined;
    }
    known.median ??= median(known.samples);
    return known.median;
  }
}

/** @param {readonly number[]} values At least one. */
function median(values) {
  const sorted = Float64Array.from(values).sort();
  const upper = sorted[sorted.length >> 1] ?? NaN;
  const lower = sorted[(sorted.length - 1) >> 1] ?? NaN;
  return (lower + upper) / 2;
}

/**
 * What a machine does, and whether it takes too long.
 *
 * @param {Stage} stage Its current stage.
 * @param {number} now By the daemon's clock, in ms.
 * @param {number | undefined} usual The stage's usual duration, in ms.
 * @param {number} lastProgress When its transfer last made progress, in ms.
 * @returns {Progress}
 */
export function progressOf(
  { event, at, detail },
  now,
  usual,
  lastProgress = at,
) {
  const elapsed = Math.max(0, now - at);
  const transfer = transferIn(detail);
  const words = stageWords(event, detail);
  if (event === LAST_STAGE) {
    return { kind: "up", words, elapsed, usual: undefined };
  }
  const limit = usual === undefined
    ? STUCK_UNKNOWN
    : Math.max(MIN_STUCK, STUCK_FACTOR * usual);
  const isMoving = transfer?.state === "sending" &&
    now - lastProgress < TRANSFER_TIMEOUT;
  const isStuck = transfer?.state === "error" || (elapsed > limit && !isMoving);
  return { kind: isStuck ? "stuck" : "booting", words, elapsed, usual };
}

/**
 * What is known of a machine that has released its address, or that was not
 * heard for the valid lifetime; `undefined` if it is there.
 *
 * @param {{lastHeard: number, lifetime: number | undefined, isReleased: boolean}} machine
 *   Times in ms, by the daemon's clock.
 * @param {number} now By the daemon's clock, in ms.
 * @returns {Progress | undefined}
 */
export function absenceOf({ lastHeard, lifetime, isReleased }, now) {
  const elapsed = Math.max(0, now - lastHeard);
  if (isReleased) {
    return {
      kind: "offline",
      words: "Released its address",
      elapsed,
      usual: undefined,
    };
  }
  return lifetime === undefined || elapsed <= lifetime
    ? undefined
    : { kind: "offline", words: "Offline", elapsed, usual: undefined };
}
