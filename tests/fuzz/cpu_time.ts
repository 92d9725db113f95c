/** Measures CPU time, which other processes do not influence. */

import { cpuUsage } from "node:process";

/** Runs of a slow input: a single one may include compilation and garbage collection. */
const RUNS = 20;

/** CPU time of this process, in milliseconds. */
function used(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1000;
}

/** CPU time of `work` in milliseconds: the minimum of several runs. */
export function effortOf(work: () => void): number {
  let least = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const start = used();
    work();
    least = Math.min(least, used() - start);
  }
  return least;
}

/** The same for asynchronous work. */
export async function effortOfWaiting(
  work: () => unknown,
): Promise<number> {
  let least = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const start = used();
    await work();
    least = Math.min(least, used() - start);
  }
  return least;
}
