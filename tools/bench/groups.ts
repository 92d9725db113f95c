/**
 * What the benchmark can measure, each by itself.
 *
 * @module
 */

import type { MeasureOptions } from "./measure_options.ts";
import { measureDhcpv6, measureMemory, measureStart } from "./dhcpv6.ts";
import { measureIdle } from "./idle.ts";
import { measureDownloads, measureEvents, measureHttp } from "./http.ts";
import { measureHttps } from "./https.ts";
import type { Testbed } from "./testbed.ts";
import type { Results } from "./results.ts";
import { measureStorm } from "./storm.ts";
import { measureTftp } from "./tftp.ts";

/** Measures a group on a testbed. */
export type Measure = (
  testbed: Testbed,
  results: Results,
  measureOptions: MeasureOptions,
) => Promise<void>;

/** By their names, in the order in which they are measured. */
export const GROUPS: Readonly<Record<string, Measure>> = {
  dhcpv6: measureDhcpv6,
  memory: measureMemory,
  idle: measureIdle,
  start: measureStart,
  tftp: measureTftp,
  http: measureHttp,
  https: measureHttps,
  downloads: measureDownloads,
  events: measureEvents,
  storm: measureStorm,
};
