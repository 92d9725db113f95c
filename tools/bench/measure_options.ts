/**
 * The options that all groups of the benchmark have in common.
 *
 * @module
 */

import type { Impairment } from "./testbed.ts";

/** Machines that are switched on at once, and what their link does to packets. */
export interface Storm extends Impairment {
  readonly machines: number;
}

/** The storm that is measured unless another is asked for. */
export const STORM: Storm = { machines: 500, delay: 0, loss: 0 };

/** How often and how long a group is measured. */
export interface MeasureOptions {
  /** Times that everything is measured. */
  readonly runs: number;
  /** Seconds of one measurement. */
  readonly seconds: number;
  /** Whether to measure only what the tests compare. */
  readonly isShort: boolean;
  readonly storm: Storm;
}
